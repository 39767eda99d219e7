//! The parts of the local stack, as real processes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod acl;
mod files;
mod mail_sink;
mod ports;
mod postgres;
mod process;
mod redis;
mod stack;
