//! Versions that judge what is published beside the active one, and nothing follows from it.
//!
//! A consumer group of its own reads what is published and waits for the judgement that counts. So a shadow knows of the author
//! what that judgement knew, and whether it is slow or fails makes no difference to anybody.

pub mod aggregate;
pub mod body;
pub mod projection;
pub mod reactor;
pub mod view;
