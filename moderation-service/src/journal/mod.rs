//! The public log of what moderation decides, and figures that follow from it.
//!
//! Neither names anybody: content, authors and reporters do not occur, and a moderator is a keyed hash. Whoever adds up the log
//! comes to the figures.

pub mod api;
pub mod projection;
pub mod pseudonym;
pub mod view;
