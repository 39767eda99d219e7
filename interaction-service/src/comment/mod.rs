//! A comment: what a person says about a post, or answers to another comment.
//!
//! Its author may edit and delete it; answers to it stay. Moderation may hide it, which destroys nothing, and restore it.
//! Nothing follows a deletion.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
