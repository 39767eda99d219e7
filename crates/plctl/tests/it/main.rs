//! The program, run as an operator runs it, on real servers.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod analyse;
mod archive;
mod configuration;
mod epoch;
mod groups;
mod look;
mod maintenance;
mod members;
mod parked;
mod relay;
mod trim;
mod verify;
mod world;
