//! Archives and replays of real stores, with processes that are killed and disks that are full.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod analytics;
mod export;
mod interrupted;
mod replay;
mod verify;
mod versions;
mod world;
