//! What people can see and report: posts and comments as they stand.

pub mod projection;
pub mod view;
