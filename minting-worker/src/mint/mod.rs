//! Mints: the way of a post or comment to becoming a token of its author.
//!
//! A mint is requested while its content is public and withdrawn when it is not; requested again when it comes back. What is
//! `READY_FOR_MINTING` waits for its turn.

pub mod aggregate;
pub mod api;
mod bulk;
pub mod details;
pub mod projection;
pub mod view;
