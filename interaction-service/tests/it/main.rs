//! The interaction service over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod comment;
mod document;
mod label;
mod post;
mod reaction;
mod rebuild;
mod support;
mod takedown;
mod token;
mod view;
