//! A part of a service's history, for those who are not its consumer group.

use fred::clients::Client;
use shared_schemas::Service;

use super::Reader;
use crate::{
    RecordedEvent,
    stream::{EntryError, StreamKey},
};

/// What the streams of a replay are named after, in place of a consumer group.
const NAME: &str = "replay";

/// Events that are given at once, at most.
const COUNT: u64 = 500;

/// Why a replay could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Redis failed. The replay stands where it stood: it may be asked again.
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
    /// The producer wrote what cannot be read; asking again gives the same.
    #[error("event {sequence} cannot be read")]
    Unreadable {
        /// Its place.
        sequence: u64,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Consecutive events of one partition, from their producer's store.
pub struct Replay {
    reader: Reader,
    key: StreamKey,
}

/// The events of one partition of a service after `from`, up to and including `to`, in order and without a hole, whatever the
/// streams still hold. The order of a whole service is that of [`Layout::history`](crate::layout::Layout::history).
///
/// `redis` must be used by nothing else meanwhile: the replay blocks it. Beyond what the producer's store has given numbers
/// to, the replay waits.
pub fn replay(redis: &Client, service: Service, partition: u16, from: u64, to: u64) -> Replay {
    let key = StreamKey::new(service, partition);
    Replay { reader: Reader::new(redis, NAME, key, from, Some(to)), key }
}

impl Replay {
    /// The next events, about 500 at most; `None` when all were given. What was given before counts as dealt with.
    /// Waits as long as no process of the producer answers.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]
    pub async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, ReplayError> {
        self.reader.durable(self.reader.cursor());
        while !self.reader.is_complete() {
            let entries = self.reader.next(COUNT).await?;
            if entries.is_empty() {
                continue;
            }
            let events = entries.iter().map(|entry| {
                entry.decode(self.key).map_err(|error: EntryError| ReplayError::Unreadable {
                    sequence: entry.sequence,
                    source: Box::new(error),
                })
            });
            return events.collect::<Result<_, _>>().map(Some);
        }
        self.reader.close().await?;
        Ok(None)
    }
}
