//! How many people posts have reached.

pub mod projection;
pub mod view;
