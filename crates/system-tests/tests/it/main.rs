//! The whole system, every service a process of its own, judged from outside.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod browser;
mod edges;
mod isolation;
mod journey;
mod minting;
mod operator;
mod people;
mod replay;
mod version;
mod workload;
mod world;
