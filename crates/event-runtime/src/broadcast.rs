//! Broadcast: every process reads every event of a service, with a cursor of its own in memory.
//!
//! For what each replica must know at once: signing keys, revocations, what to drop from a cache. A consumer group would
//! give each event to one replica only.

use std::sync::Arc;

use fred::{clients::Client, interfaces::StreamsInterface, types::Value};
use shared_schemas::Service;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    RecordedEvent,
    error::chain,
    redis::{BLOCK, backoff, blocking, close, connect, recover},
    relay::last_sequence,
    stream::{StreamKey, entries},
};

/// Entries per read.
const COUNT: u64 = 1_000;

/// What a process does with each event; it must be quick, and right when an event comes again.
pub type Listener = Arc<dyn Fn(&RecordedEvent) + Send + Sync>;

/// Reads all events of one service, from the first one on.
pub struct Broadcast {
    redis_url: String,
    service: Service,
    partitions: u16,
    listener: Listener,
    caught_up: watch::Sender<u16>,
}

impl Broadcast {
    /// A reader that gives each event to `listener`.
    pub fn new(redis_url: String, service: Service, partitions: u16, listener: Listener) -> Self {
        Self { redis_url, service, partitions, listener, caught_up: watch::Sender::new(0) }
    }

    /// Becomes true when everything that was published before the start has been read.
    pub fn caught_up(&self) -> CaughtUp {
        CaughtUp { partitions: self.partitions, done: self.caught_up.subscribe() }
    }

    /// One future per partition; each runs until told to stop.
    ///
    /// # Errors
    ///
    /// If the URL is not a Redis URL.
    pub fn readers(
        self,
        shutdown: &CancellationToken,
    ) -> Result<Vec<impl Future<Output = ()> + Send + 'static>, fred::error::Error> {
        let mut readers = Vec::with_capacity(usize::from(self.partitions));
        for partition in 0..self.partitions {
            let redis = connect(&self.redis_url)?;
            let key = StreamKey::new(self.service, partition);
            readers.push(read(
                redis,
                key,
                Arc::clone(&self.listener),
                self.caught_up.clone(),
                shutdown.clone(),
            ));
        }
        Ok(readers)
    }
}

/// Whether a [`Broadcast`] has read everything that was there when it began.
#[derive(Clone)]
pub struct CaughtUp {
    partitions: u16,
    done: watch::Receiver<u16>,
}

impl CaughtUp {
    /// Whether it has, by now.
    pub fn is_done(&self) -> bool {
        *self.done.borrow() >= self.partitions
    }
}

async fn read(
    redis: Client,
    key: StreamKey,
    listener: Listener,
    caught_up: watch::Sender<u16>,
    shutdown: CancellationToken,
) {
    let mut cursor = 0;
    let mut target = None;
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        if target.is_none() {
            target = last_sequence(&redis, key).await.ok();
            // What was there may have been read already, if Redis did not answer the question before.
            if target.is_some_and(|target| target <= cursor) {
                caught_up.send_modify(|done| *done += 1);
            }
        }
        match page(&redis, key, cursor).await {
            Ok(page) => {
                failures = 0;
                for entry in page {
                    let before = cursor;
                    cursor = entry.sequence;
                    match entry.decode(key) {
                        Ok(event) => listener(&event),
                        Err(error) => {
                            tracing::warn!(stream = %key, sequence = cursor, error = chain(&error), "entry skipped");
                        }
                    }
                    if target.is_some_and(|target| before < target && target <= cursor) {
                        caught_up.send_modify(|done| *done += 1);
                    }
                }
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(stream = %key, error = chain(&error), "broadcast interrupted");
                }
                recover(&redis, &error).await;
                tokio::select! {
                    () = shutdown.cancelled() => (),
                    () = tokio::time::sleep(backoff(failures)) => (),
                }
            }
        }
    }
    close(&redis).await;
}

async fn page(
    redis: &Client,
    key: StreamKey,
    after: u64,
) -> Result<Vec<crate::stream::Entry>, fred::error::Error> {
    let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
    let reply: Option<Value> = blocking(redis)
        .xread(Some(COUNT), Some(block), key.to_string(), format!("{after}-0"))
        .await?;
    Ok(entries(reply))
}
