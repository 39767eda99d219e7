//! Broadcast: every process reads every event of a service, with a cursor of its own in memory.
//!
//! For what each replica must know at once: signing keys, revocations, what to drop from a cache. A consumer group would
//! give each event to one replica only. What the streams no longer hold comes from the producer's store.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use fred::{clients::Client, interfaces::StreamsInterface, types::Value};
use futures_util::future::{join, join_all};
use shared_schemas::Service;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    RecordedEvent,
    catch_up::Reader,
    error::chain,
    layout::{Layout, Watch},
    redis::{BLOCK, backoff, blocking, close, connect, recover},
    relay::ends,
    rules::Page,
    stream::{Entry, StreamKey, entries},
};

/// Entries per read.
const COUNT: u64 = 1_000;

/// How often a reader that hears nothing looks whether the stream has lost what comes next.
const DOUBT: Duration = Duration::from_secs(2);

/// What its streams are named after when it has to catch up, in place of a consumer group.
const NAME: &str = "broadcast";

/// What a process does with each event; it must be quick, and right when an event comes again.
pub type Listener = Arc<dyn Fn(&RecordedEvent) + Send + Sync>;

/// Reads all events of one service, from the first one on, in the order of each aggregate.
pub struct Broadcast {
    redis_url: String,
    service: Service,
    listener: Listener,
    caught_up: watch::Sender<bool>,
}

impl Broadcast {
    /// A reader that gives each event to `listener`.
    pub fn new(redis_url: String, service: Service, listener: Listener) -> Self {
        Self { redis_url, service, listener, caught_up: watch::Sender::new(false) }
    }

    /// Becomes true when everything that the service had published before the start has been read. Not before the service has
    /// said how much that is: an empty Redis may be one that has forgotten everything.
    pub fn caught_up(&self) -> CaughtUp {
        CaughtUp { done: self.caught_up.subscribe() }
    }

    /// The work; it runs until told to stop.
    ///
    /// # Errors
    ///
    /// If the URL is not a Redis URL.
    pub fn run(
        self,
        shutdown: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send + 'static, fred::error::Error> {
        let redis = connect(&self.redis_url)?;
        let (layout, look) = Watch::new(self.service, redis, shutdown.clone());
        let follow = self.follow(layout, shutdown);
        Ok(async move {
            join(look, follow).await;
        })
    }

    /// Reads one generation after the other: nothing of the next before all of this one, for the order of each aggregate.
    async fn follow(self, mut watch: Watch, shutdown: CancellationToken) {
        let Some(mut layout) = shutdown.run_until_cancelled(watch.known()).await else { return };
        let wanted = Wanted {
            epoch: layout.epoch(),
            waiting: Mutex::new((0..layout.partitions()).collect()),
            caught_up: self.caught_up.clone(),
        };
        let mut generation = layout.generations().next().cloned();
        while let Some(current) = generation {
            let partitions = (0..current.partitions).map(|partition| Partition {
                key: StreamKey::new(self.service, partition).at(current.epoch),
                cursor: layout.base(current.epoch, partition),
                watch: watch.clone(),
                listener: &self.listener,
                wanted: &wanted,
                target: None,
                missing_through: None,
                looked: Instant::now(),
            });
            let readers = partitions.map(|partition| partition.run(&self.redis_url, &shutdown));
            join_all(readers).await;
            if shutdown.is_cancelled() {
                return;
            }
            layout = watch.known().await;
            generation = layout.next(current.epoch).cloned();
        }
    }
}

/// Whether a [`Broadcast`] has read everything that was there when it began.
#[derive(Clone)]
pub struct CaughtUp {
    done: watch::Receiver<bool>,
}

impl CaughtUp {
    /// Whether it has, by now.
    pub fn is_done(&self) -> bool {
        *self.done.borrow()
    }
}

/// Which partitions of the generation that was found at the start have not been read as far as they went then.
struct Wanted {
    epoch: u32,
    waiting: Mutex<BTreeSet<u16>>,
    caught_up: watch::Sender<bool>,
}

impl Wanted {
    fn reached(&self, key: StreamKey) {
        if key.epoch < self.epoch {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&key.partition);
        if waiting.is_empty() {
            self.caught_up.send_replace(true);
        }
    }
}

/// One partition in one generation.
struct Partition<'a> {
    key: StreamKey,
    cursor: u64,
    watch: Watch,
    listener: &'a Listener,
    wanted: &'a Wanted,
    /// The last event that was there at the start; `None` while that is unknown.
    target: Option<u64>,
    /// Known to be no longer in the stream, up to here.
    missing_through: Option<u64>,
    looked: Instant,
}

impl Partition<'_> {
    /// Reads to the end of the generation, or until told to stop.
    async fn run(mut self, redis_url: &str, shutdown: &CancellationToken) {
        let redis = match connect(redis_url) {
            Ok(redis) => redis,
            Err(error) => {
                tracing::error!(error = chain(&error), "no redis client");
                return;
            }
        };
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let layout = self.watch.known().await;
            if let Some(end) = layout.end(self.key.epoch, self.key.partition)
                && self.cursor >= end
            {
                if self.cursor > end {
                    tracing::warn!(
                        stream = %self.key, heard = self.cursor, end,
                        "events were heard that their producer has lost"
                    );
                }
                self.wanted.reached(self.key);
                break;
            }
            match self.step(&redis, &layout, shutdown).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(stream = %self.key, error = chain(&error), "broadcast interrupted");
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

    /// One read from where the next event is: the stream, or the producer's store for what the stream does not hold.
    async fn step(
        &mut self,
        redis: &Client,
        layout: &Layout,
        shutdown: &CancellationToken,
    ) -> Result<(), fred::error::Error> {
        if let Some(end) = layout.end(self.key.epoch, self.key.partition) {
            return self.catch_up(redis, end, shutdown).await;
        }
        if self.target.is_none() {
            let head = layout.head(self.key.partition);
            self.look(redis, Some(head)).await?;
        }
        if let Some(through) = self.missing_through.take() {
            return self.catch_up(redis, through, shutdown).await;
        }
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let reply: Option<Value> = blocking(redis)
            .xread(Some(COUNT), Some(block), self.key.to_string(), format!("{}-0", self.cursor))
            .await?;
        let page = entries(reply);
        if page.is_empty() && self.looked.elapsed() > DOUBT {
            self.look(redis, None).await?;
        }
        let Page { new, gap, .. } = Page::of(self.cursor, page.iter().map(|entry| entry.sequence));
        self.missing_through = gap.map(|gap| gap.found.saturating_sub(1)).or(self.missing_through);
        page.iter().take(new.len()).for_each(|entry| self.hear(entry));
        Ok(())
    }

    /// Compares with the ends of the stream: at the start with `head`, what the store has published at least, and later
    /// after a read that found nothing.
    async fn look(&mut self, redis: &Client, head: Option<u64>) -> Result<(), fred::error::Error> {
        let ends = ends(redis, &self.key.to_string()).await?;
        self.looked = Instant::now();
        if ends.lack_after(self.cursor) {
            let first = ends.first.unwrap_or(ends.tail.sequence.saturating_add(1));
            self.missing_through = Some(first.saturating_sub(1));
        } else if head.is_none() && ends.tail.sequence > self.cursor {
            // A read has just found nothing: what was there has been deleted, up to the end.
            self.missing_through = Some(ends.tail.sequence);
        }
        if let Some(head) = head {
            self.target = Some(ends.tail.sequence.max(head));
            self.check();
        }
        Ok(())
    }

    async fn catch_up(
        &mut self,
        redis: &Client,
        through: u64,
        shutdown: &CancellationToken,
    ) -> Result<(), fred::error::Error> {
        let mut reader = Reader::new(redis, NAME, self.key, self.cursor, Some(through));
        while !reader.is_complete() && !shutdown.is_cancelled() {
            for entry in reader.next(COUNT).await? {
                self.hear(&entry);
            }
            reader.durable(self.cursor);
        }
        reader.close().await
    }

    fn hear(&mut self, entry: &Entry) {
        self.cursor = entry.sequence;
        match entry.decode(self.key) {
            Ok(event) => (self.listener)(&event),
            Err(error) => {
                tracing::warn!(
                    stream = %self.key, sequence = self.cursor, error = chain(&error), "entry skipped"
                );
            }
        }
        self.check();
    }

    fn check(&self) {
        if self.target.is_some_and(|target| target <= self.cursor) {
            self.wanted.reached(self.key);
        }
    }
}
