//! The post service over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod engagement;
mod post;
mod support;
mod takedown;
