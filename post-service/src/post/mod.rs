//! A post: a title, a body, a category, and who may see it.
//!
//! A post begins as a draft, which only its author sees, or is published at once. Its author may publish, edit, archive
//! and delete it. Moderation may hide it, which destroys nothing, and restore it. Nothing follows a deletion.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
