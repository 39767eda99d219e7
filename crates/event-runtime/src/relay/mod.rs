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
    rules::{Appended, Cursor, Divergence, Tail},
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
    /// What the relay believes of each stream.
    cursors: Vec<Cursor>,
}

impl Relay {
    /// A relay over its own Redis client.
    pub fn new(store: EventStore, redis: Client) -> Self {
        let cursors = vec![Cursor::default(); usize::from(store.partitions())];
        Self { store, redis, cursors }
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
        self.cursors.iter_mut().for_each(Cursor::forget);
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
            match self.believed(partition).answered(end, last) {
                Appended::All => {
                    published += events.len();
                    self.record(&events, begin);
                }
                Appended::Refused => {
                    counter!("events_publish_cas_conflicts_total").increment(1);
                    tracing::info!(stream = %key, expected = cursor, found = last, "stream moved under the relay");
                }
            }
            cursor = last;
        }
        Ok(published)
    }

    /// The stream's last sequence number, as remembered or as Redis says.
    async fn cursor(&mut self, key: StreamKey) -> Result<u64, RuntimeError> {
        let partition = key.partition;
        if let Some(cursor) = self.believed(partition).believed() {
            return Ok(cursor);
        }
        let tail = tail(&self.redis, key).await?;
        let head = sequencer::head(&self.store, partition).await?;
        let before = tail.sequence.saturating_sub(1);
        let stored = self.store.published_after(partition, before, 1).await?;
        let stored = stored.first().map(|stored| stored.id.to_string());
        let settled = self.believed(partition).settle(&tail, head, stored.as_deref());
        gauge!("events_relay_paused", "reason" => "store_diverged").set(if settled.is_err() {
            1.0
        } else {
            0.0
        });
        let lost = settled.map_err(|divergence| match divergence {
            Divergence::Behind { store } => RuntimeError::StoreBehindStream {
                key: key.to_string(),
                stream: tail.sequence,
                store,
            },
            Divergence::Different => {
                RuntimeError::StoreDiverged { key: key.to_string(), sequence: tail.sequence }
            }
        })?;
        counter!("events_republished_total").increment(lost);
        Ok(tail.sequence)
    }

    fn believed(&mut self, partition: u16) -> &mut Cursor {
        self.cursors.get_mut(usize::from(partition)).expect("there is one per partition")
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

async fn tail(redis: &Client, key: StreamKey) -> Result<Tail, fred::error::Error> {
    let mut tail = Tail::default();
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
