//! Event store, relay, consumers and reactors over PostgreSQL and Redis Streams.
//!
//! The store is the truth; Redis is a transport that may be lost at any moment. See the crate's `README.md` for the
//! guarantees, and [`Runtime`] for how the parts run together.

pub mod aggregate;
pub mod audit;
pub mod broadcast;
pub mod catch_up;
pub mod clock;
pub mod consumer;
mod control;
pub mod epoch;
pub mod error;
pub mod execute;
mod execute_many;
mod heartbeat;
pub mod history;
pub mod job;
pub mod lag;
pub mod layout;
mod lease;
pub mod metrics;
pub mod operator;
pub mod park;
pub mod projection;
pub mod reactor;
pub mod rebuild;
pub mod recorded;
pub mod redis;
pub mod relay;
pub mod rules;
pub mod runtime;
pub mod store;
pub mod stream;
pub mod trim;
pub mod unit_of_work;

pub use aggregate::{Aggregate, Expected, Version};
pub use broadcast::Broadcast;
pub use clock::Clock;
pub use consumer::Concurrency;
pub use error::{ApplyError, ExecuteError, RuntimeError};
pub use execute::Streams;
pub use history::History;
pub use job::{Job, JobOutcome, JobWorker};
pub use projection::{InlineProjection, Projection};
pub use reactor::Reactor;
pub use recorded::{Recorded, RecordedEvent};
pub use runtime::{Runtime, RuntimeBuilder};
pub use store::EventStore;
pub use unit_of_work::UnitOfWork;

/// The tables of the runtime by name, in order, to be applied before a service's own migrations.
pub const MIGRATIONS: [(&str, &str); 3] = [
    ("0000_event_store", include_str!("../migrations/0000_event_store.sql")),
    ("0001_event_operations", include_str!("../migrations/0001_event_operations.sql")),
    ("0002_parked_order", include_str!("../migrations/0002_parked_order.sql")),
];
