//! What every service gets from the kit, on a service small enough to see through.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod events;
mod lag;
mod limits;
mod start;
mod sweep;
mod token;
mod world;
