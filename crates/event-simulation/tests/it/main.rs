//! The simulation finds what is broken on purpose and nothing else, and its model of Redis is like Redis.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod redis_model;
mod sabotage;
mod seeds;
