//! The auth service as others see it: over HTTP, by mail and by its events.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod happy_path;
mod stage;
