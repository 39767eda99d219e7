//! What the runtime promises, on real processes that are killed, stopped, cut off and emptied.
//!
//! Tests name the row of the failure matrix that they show (F1 ...). The oracle is always the same: the events in the store,
//! each published once in order, each in effect once in order.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
mod broadcast;
mod catch_up;
mod cluster;
mod conformance;
mod consumer;
mod control;
mod corpus;
#[path = "../fault_worker/counter.rs"]
mod counter;
mod epoch;
mod figures;
mod history;
mod job;
mod lag;
mod lanes;
mod linger;
mod memory;
mod observed;
mod park;
mod peer_bugs;
mod postgres_faults;
mod process;
mod reactor;
mod rebuild;
mod redis_faults;
mod relay;
mod retry;
mod shared;
mod store;
mod totals;
mod trim;
mod trim_model;
mod versions;
mod world;
