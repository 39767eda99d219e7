//! A world of one stream in which everything that can happen between two steps does happen, in an order that a seed decides.
//!
//! Relays, owners of two consumer groups and a writer take turns, one request at a time. Between their steps requests are
//! lost, answered in vain or executed late; processes are killed, stopped and continued; Redis is emptied, loses its tail, is
//! trimmed, or does not answer; leases end. What the actors decide is decided by [`event_runtime::rules`], the same functions
//! that the runtime asks; what they talk to are models of Redis and PostgreSQL, and the model of Redis is compared with a
//! real server in this crate's tests.
//!
//! After every step [`oracle`] checks what must never be otherwise. In the end the faults stop, one process stays dead, and
//! everything that was recorded has to have taken effect.

mod consumer;
pub mod model;
mod network;
pub mod oracle;
mod relay;
mod sabotage;
mod scenario;
mod world;

pub use oracle::{Invariant, Violation};
pub use sabotage::Sabotage;
pub use world::{Report, replay, run};
