//! The moderation service over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod behaviour;
mod decision;
mod delivery;
mod queue;
mod screening;
mod support;
