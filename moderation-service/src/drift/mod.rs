//! Whether the texts are still those that the rules and the model were made for.
//!
//! Every judgement leaves figures, by which the last day is compared with the weeks before it: how many texts were held or
//! removed, how the model's probabilities are spread, and how often words were written so as not to be read.

pub mod api;
pub mod measure;
pub mod projection;
pub mod report;
pub mod stability;
pub mod view;
