//! The engagement service over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod activity;
mod history;
mod notification;
mod recount;
mod support;
