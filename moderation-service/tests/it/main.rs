//! The moderation service over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod appeal;
mod behaviour;
mod decision;
mod delivery;
mod drift;
mod journal;
mod media;
mod queue;
mod report;
mod review;
mod screening;
mod shadow;
mod standing;
mod support;
mod version;
