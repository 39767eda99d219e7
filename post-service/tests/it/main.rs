//! The post service over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod engagement;
mod label;
mod post;
mod support;
mod takedown;
mod token;
