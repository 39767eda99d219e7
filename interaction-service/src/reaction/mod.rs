//! A reaction: how one person feels about one post.
//!
//! There is one per person and post. The person may change it, take it back, and react again.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
