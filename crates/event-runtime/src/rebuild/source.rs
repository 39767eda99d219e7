//! Where a replay gets others' events from: the streams while they hold them, and then their producers' stores.

use std::{sync::Arc, time::Duration};

use fred::{clients::Client, error::Error, interfaces::StreamsInterface, types::Value};

use super::RebuildError;
use crate::{
    RecordedEvent,
    catch_up::{self, ReplayError},
    redis::{Dedicated, once},
    stream::{Entry, EntryError, StreamKey},
};

/// Events per page.
const PAGE: u64 = 1_000;

/// How long to wait for any process of a producer.
const PATIENCE: Duration = Duration::from_mins(1);

/// An event by its sequence number; one that cannot be read may be among those that are parked.
pub(super) type Read = (u64, Result<RecordedEvent, EntryError>);

/// The events of all partitions.
pub(super) struct Source {
    /// Ends with the last copy, also where a rebuild is given up in the middle.
    redis: Arc<Dedicated>,
    /// The part of a history that its producer is giving.
    given: Option<Given>,
}

struct Given {
    key: StreamKey,
    /// The last one that was given.
    after: u64,
    replay: catch_up::Replay,
}

impl Source {
    /// Over a connection of its own.
    ///
    /// # Errors
    ///
    /// If the URL is not a Redis URL.
    pub(super) fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self { redis: Arc::new(Dedicated::connect(url)?), given: None })
    }

    /// The same source again.
    pub(super) fn copy(&self) -> Self {
        Self { redis: Arc::clone(&self.redis), given: None }
    }

    /// The connection.
    pub(super) fn redis(&self) -> &Client {
        self.redis.client()
    }

    /// Events of one partition after `after` and not after `to`, at least one, without a gap.
    ///
    /// # Errors
    ///
    /// [`RebuildError::Gap`] if the next one cannot be had.
    pub(super) async fn page(
        &mut self,
        key: StreamKey,
        after: u64,
        to: u64,
    ) -> Result<Vec<Read>, RebuildError> {
        let is_given = |given: &Given| given.key == key && given.after == after;
        if !self.given.as_ref().is_some_and(is_given) {
            self.given = None;
            let streamed = self.streamed(key, after, to).await?;
            if !streamed.is_empty() {
                return Ok(streamed);
            }
        }
        // Trimmed, or lost: the producer has it.
        let given = self.given.get_or_insert_with(|| {
            let replay =
                catch_up::replay(self.redis.client(), key.service, key.partition, after, to);
            Given { key, after, replay }
        });
        let gap = || RebuildError::Gap { stream: key.to_string(), after };
        let next = tokio::time::timeout(PATIENCE, given.replay.next()).await;
        let page = next.map_err(|_elapsed| gap())?.map_err(|error| match error {
            ReplayError::Redis(error) => RebuildError::Redis(error),
            ReplayError::Unreadable { sequence, source } => {
                RebuildError::Unreadable { stream: key.to_string(), sequence, source }
            }
        })?;
        let page: Vec<Read> =
            (after + 1..).zip(page.unwrap_or_default().into_iter().map(Ok)).collect();
        match page.last() {
            Some((last, _)) => given.after = *last,
            None => return Err(gap()),
        }
        if given.after >= to {
            self.given = None;
        }
        Ok(page)
    }

    /// What the stream has of it; nothing if the next one has left it.
    async fn streamed(
        &self,
        key: StreamKey,
        after: u64,
        to: u64,
    ) -> Result<Vec<Read>, RebuildError> {
        let (first, last) = (format!("{}-0", after + 1), format!("{to}-0"));
        let reply: Value =
            once(self.redis()).xrange(key.to_string(), first, last, Some(PAGE)).await?;
        let Value::Array(entries) = reply else { return Ok(Vec::new()) };
        let consecutive = entries
            .into_iter()
            .filter_map(Entry::parse)
            .zip(after + 1..)
            .take_while(|(entry, expected)| entry.sequence == *expected);
        Ok(consecutive.map(|(entry, sequence)| (sequence, entry.decode(key))).collect())
    }
}
