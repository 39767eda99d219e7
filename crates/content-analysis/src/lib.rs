//! Scores short texts for six categories of harm, and says which parts of a text led to a score.
//!
//! A score is a function of the text and the model alone: no clock, no randomness, no I/O, the same bits on every machine.
//! The way of a text: [`normalise`], correct, take apart into hashed features, add up int8 weights, calibrate. Because the
//! model is linear, an [`Explanation`] is exact: contributions of features, summed over the spans of the original text where
//! they stand, add up to the logit.

mod abstraction;
mod analyser;
mod category;
mod correct;
mod explain;
mod features;
mod language;
pub mod model;
pub mod near_copy;
pub mod normalise;
mod phrases;
#[cfg(feature = "train")]
pub mod train;

pub use analyser::{Analyser, Analysis, Scorer};
pub use category::{Category, Scores};
pub use explain::{Contribution, Explanation};
pub use language::Language;
pub use model::{Model, ModelError};
