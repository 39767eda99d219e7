//! The relay: gives every committed event its public place, and writes it to the stream.
//!
//! Two steps, each safe to repeat and safe to race:
//!
//! 1. `sequencer::sequence`: rows of the outbox get the next dense sequence numbers of their partition, in one
//!    transaction that locks the partition's head. Numbers are given after commit, so no reader can skip a late commit.
//! 2. `publish.lua`: a batch is appended under the explicit ids `<sequence>-0`, only if the stream ends where the relay
//!    believes. Publishing twice is impossible, and a relay that slept through its own replacement is refused.
//!
//! The relay's cursor is the stream's own last id. When Redis has lost its tail, or everything, the cursor is lower than
//! before and the relay writes the missing entries again, with the same ids.

mod sequencer;

use std::time::Duration;

use fred::{
    clients::Client,
    interfaces::{LuaInterface, StreamsInterface},
    types::Value,
};
use metrics::{counter, gauge, histogram};
use tokio_util::sync::CancellationToken;

use crate::{
    EventStore, RuntimeError,
    error::chain,
    redis::{backoff, close, once, recover},
    stream::{Entry, FIELDS, StreamKey, encode},
};

const SCRIPT: &str = include_str!("publish.lua");

/// Events per script call. Redis serves nobody else meanwhile; at this size it is about a millisecond.
const BATCH: i64 = 500;

/// How often an idle relay looks for events of other processes and checks that the streams are whole.
const POLL: Duration = Duration::from_millis(250);

/// Publishes the events of one service. Several relays of one service do no harm.
pub struct Relay {
    store: EventStore,
    redis: Client,
    /// What the relay believes to be the last sequence number of each stream; `None` when it does not know.
    cursors: Vec<Option<u64>>,
    /// The last one it knew, for the count of what Redis has lost.
    seen: Vec<u64>,
}

impl Relay {
    /// A relay over its own Redis client.
    pub fn new(store: EventStore, redis: Client) -> Self {
        let cursors = vec![None; usize::from(store.partitions())];
        let seen = vec![0; usize::from(store.partitions())];
        Self { store, redis, cursors, seen }
    }

    /// Publishes until told to stop.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let pause = match self.publish_all().await {
                Ok(published) => {
                    if failures > 0 {
                        tracing::info!("relay publishes again");
                    }
                    failures = 0;
                    if published > 0 { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    failures += 1;
                    counter!("events_publish_errors_total").increment(1);
                    // Once per change of state: an outage of an hour is one line, not a million.
                    if failures == 1 {
                        tracing::warn!(
                            error = chain(&error),
                            "relay cannot publish; events wait in the outbox"
                        );
                    }
                    self.forget();
                    if let RuntimeError::Redis(cause) = &error {
                        recover(&self.redis, cause).await;
                    }
                    backoff(failures)
                }
            };
            if pause.is_zero() {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.store.events_committed().notified(), if failures == 0 => (),
                () = tokio::time::sleep(pause) => self.forget(),
            }
        }
        close(&self.redis).await;
    }

    /// Doubts every cursor, so that the next round asks the streams. An idle stream that was emptied is noticed this way.
    fn forget(&mut self) {
        self.cursors.fill(None);
    }

    /// One round over all partitions: returns how many events were published.
    ///
    /// # Errors
    ///
    /// The first failure; what was published before it stays published.
    pub async fn publish_all(&mut self) -> Result<usize, RuntimeError> {
        let mut published = 0;
        for partition in 0..self.store.partitions() {
            let key = StreamKey::new(self.store.service(), partition);
            // First, because a store that has lost its past must not give the same numbers to other events.
            let cursor = self.cursor(key).await?;
            sequencer::sequence(&self.store, partition, BATCH).await?;
            published += self.publish(key, cursor).await?;
        }
        sequencer::observe(&self.store).await?;
        Ok(published)
    }

    /// Brings one stream up to the store.
    async fn publish(&mut self, key: StreamKey, mut cursor: u64) -> Result<usize, RuntimeError> {
        let partition = key.partition;
        let mut published = 0;
        loop {
            let events = self.store.published_after(partition, cursor, BATCH).await?;
            let Some(end) = events.last().and_then(|event| event.sequence) else { break };
            let begin = events.first().and_then(|event| event.sequence).unwrap_or(end);

            let mut arguments: Vec<Value> =
                vec![cursor.to_string().into(), FIELDS.len().to_string().into()];
            for event in &events {
                arguments.push(event.sequence.unwrap_or_default().to_string().into());
                for (name, value) in FIELDS.into_iter().zip(encode(event)?) {
                    arguments.push(name.into());
                    arguments.push(value.into());
                }
            }
            let last: String = once(&self.redis).eval(SCRIPT, key.to_string(), arguments).await?;
            let last = last.parse().unwrap_or(0);
            if last == end {
                published += events.len();
                self.record(&events, begin);
            } else {
                counter!("events_publish_cas_conflicts_total").increment(1);
                tracing::info!(stream = %key, expected = cursor, found = last, "stream moved under the relay");
            }
            cursor = last;
            self.remember(partition, cursor);
        }
        Ok(published)
    }

    /// The stream's last sequence number, as remembered or as Redis says.
    async fn cursor(&mut self, key: StreamKey) -> Result<u64, RuntimeError> {
        if let Some(Some(cursor)) = self.cursors.get(usize::from(key.partition)) {
            return Ok(*cursor);
        }
        let tail = tail(&self.redis, key).await?;
        let agreed = self.agree(key, &tail).await;
        let diverged = matches!(
            agreed,
            Err(RuntimeError::StoreBehindStream { .. } | RuntimeError::StoreDiverged { .. })
        );
        gauge!("events_relay_paused", "reason" => "store_diverged").set(if diverged {
            1.0
        } else {
            0.0
        });
        agreed?;
        let seen = self.seen.get(usize::from(key.partition)).copied().unwrap_or(0);
        counter!("events_republished_total").increment(seen.saturating_sub(tail.sequence));
        self.remember(key.partition, tail.sequence);
        Ok(tail.sequence)
    }

    /// Makes sure that the end of the stream is an event that the store knows, at the place where it knows it.
    async fn agree(&self, key: StreamKey, tail: &Tail) -> Result<(), RuntimeError> {
        let head = sequencer::head(&self.store, key.partition).await?;
        if tail.sequence > head {
            return Err(RuntimeError::StoreBehindStream {
                key: key.to_string(),
                stream: tail.sequence,
                store: head,
            });
        }
        let Some(streamed) = &tail.event_id else { return Ok(()) };
        let before = tail.sequence.saturating_sub(1);
        let stored = self.store.published_after(key.partition, before, 1).await?;
        if stored.first().is_some_and(|stored| stored.id.to_string() == *streamed) {
            Ok(())
        } else {
            Err(RuntimeError::StoreDiverged { key: key.to_string(), sequence: tail.sequence })
        }
    }

    fn remember(&mut self, partition: u16, cursor: u64) {
        if let Some(slot) = self.cursors.get_mut(usize::from(partition)) {
            *slot = Some(cursor);
        }
        if let Some(seen) = self.seen.get_mut(usize::from(partition)) {
            *seen = cursor;
        }
    }

    fn record(&self, events: &[crate::RecordedEvent], begin: u64) {
        counter!("events_published_total").increment(events.len() as u64);
        let now = self.store.clock().now();
        for event in events {
            let delay = (now - event.occurred_at).to_std().unwrap_or_default();
            histogram!("events_publish_delay_seconds").record(delay.as_secs_f64());
        }
        tracing::debug!(begin, count = events.len(), "published");
    }
}

/// The end of a stream.
struct Tail {
    /// The last sequence number ever written; 0 if there is no stream.
    sequence: u64,
    /// The event at that place, if it is still there.
    event_id: Option<String>,
}

async fn tail(redis: &Client, key: StreamKey) -> Result<Tail, fred::error::Error> {
    let mut tail = Tail { sequence: 0, event_id: None };
    let info: Result<Value, _> = redis.xinfo_stream(key.to_string(), false, None).await;
    let info = match info {
        Ok(info) => info,
        Err(error) if error.details().contains("no such key") => return Ok(tail),
        Err(error) => return Err(error),
    };
    let Value::Array(fields) = info else { return Ok(tail) };
    let mut fields = fields.into_iter();
    let mut entry = None;
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name.as_str().as_deref() {
            Some("last-generated-id") => {
                let id = value.into_string().unwrap_or_default();
                let sequence = id.split_once('-').and_then(|(sequence, _)| sequence.parse().ok());
                tail.sequence = sequence.unwrap_or(0);
            }
            Some("last-entry") => entry = Entry::parse(value),
            _ => (),
        }
    }
    tail.event_id = entry
        .filter(|entry| entry.sequence == tail.sequence)
        .and_then(|entry| entry.fields?.remove("i"));
    Ok(tail)
}

/// The last sequence number ever written to a stream; 0 if there is no stream.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn last_sequence(redis: &Client, key: StreamKey) -> Result<u64, fred::error::Error> {
    Ok(tail(redis, key).await?.sequence)
}
