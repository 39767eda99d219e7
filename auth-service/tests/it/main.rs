//! The auth service as others see it: over HTTP, by mail and by its events.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attacks;
mod codes;
mod connections;
mod deletion;
mod happy_path;
mod moderators;
mod passwords;
mod people;
mod privacy;
mod refresh;
mod replicas;
mod restrictions;
mod sign_up;
mod stage;
mod throttle;
mod timing;
