//! Catch-up: events that a stream no longer holds, read again from the store of their producer.
//!
//! Services share no database, so whoever needs such events asks for them on the producer's control stream. Any relay process
//! of the producer appends them, under their own ids and by the script that publishes, to a stream made for this one reader;
//! several that answer the same request do no harm. At most `WINDOW` entries are ahead of what the reader has made durable,
//! and the stream ends by itself a minute after the last answer: what this takes of Redis's memory is bounded by the reader.
//!
//! A request is repeated until it is answered, so nothing depends on one that is lost, or on a producer that is killed over it.

mod read;
mod replay;
mod serve;

use shared_schemas::Service;
use uuid::Uuid;

pub(crate) use read::Reader;
pub use replay::{Replay, ReplayError, replay};
pub(crate) use serve::Server;

/// How many entries are written ahead of what the reader has made durable.
pub(crate) const WINDOW: u64 = 2_000;

/// The stream on which one reader waits for events of a partition.
fn catch_up_key(service: Service, partition: u16, group: &str, run: Uuid) -> String {
    // The braces keep it in the slot of the partition.
    format!("catchup:{{{service}.p{partition}}}:{group}:{run}")
}
