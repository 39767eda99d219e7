//! What the actors talk to.

pub mod postgres;
pub mod redis;

/// An event by its place of insertion in the store, from 0.
pub type EventId = usize;

/// A consumer group.
pub type GroupId = usize;

/// One life of a process: a restarted one has another number.
pub type ProcessId = u32;

/// Milliseconds since the beginning of the world.
pub type Time = u64;
