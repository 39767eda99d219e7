//! What this service keeps of posts: whose they are, what they are about, and who may see them.

pub mod mirror;
pub mod projection;
pub mod view;
