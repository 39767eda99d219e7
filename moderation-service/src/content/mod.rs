//! Content that others published, and what screening made of it.
//!
//! Every version of every post and comment is screened once, and the outcome is recorded whatever it is: with the analyser's
//! version and what was known of the author at that moment, so that the same judgement can be made again.

pub mod aggregate;
pub mod clearance;
pub mod cluster;
pub mod fingerprint;
pub mod projection;
pub mod reactor;
mod screen;
pub mod view;
