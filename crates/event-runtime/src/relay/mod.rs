//! The relay: gives every committed event its public place, and writes it to the stream.
//!
//! Two steps, each safe to repeat and safe to race:
//!
//! 1. `sequencer::sequence`: rows of the outbox get their partition and its next dense sequence number, in one
//!    transaction that locks the partitions' heads. Numbers are given after commit, so no reader can skip a late commit.
//! 2. `publish.lua`: a batch is appended under the explicit ids `<sequence>-0`, only if the stream ends where the relay
//!    believes. Publishing twice is impossible, and a relay that slept through its own replacement is refused.
//!
//! The relay's cursor is the stream's own last id. When Redis has lost its tail, or everything, the cursor is lower than
//! before and the relay writes the missing entries again, with the same ids.

mod append;
mod ends;
mod memory;
mod page;
mod pause;
mod reported;
pub(crate) mod sequencer;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use fred::{clients::Client, interfaces::KeysInterface, types::ExpireOptions};
use metrics::{counter, gauge, histogram};
use tokio_util::sync::CancellationToken;

pub(crate) use append::{append, append_for_a_while};
pub use ends::last_sequence;
pub(crate) use ends::{Ends, ends};
pub(crate) use memory::{Pressure, RedisServer};
pub(crate) use page::{PAGE, Page};

use self::{memory::Guard, pause::Switch, reported::Witnesses};
use crate::{
    EventStore, RuntimeError,
    error::chain,
    layout::{Generation, Layout, announce},
    redis::{backoff, close, once, recover},
    relay::sequencer::Sequenced,
    rules::{Appended, Cursor, Divergence},
    stream::StreamKey,
    trim::{self, Retention},
};

/// How often an idle relay looks for events of other processes and checks that the streams are whole.
const POLL: Duration = Duration::from_millis(250);

/// Pages of one stream before the other partitions, and what has no number yet, have their turn.
const TURN: usize = 20;

/// How often a busy relay looks whether there is a new generation, and announces how far the store has come.
const LOOK: Duration = Duration::from_secs(1);

/// How long the streams of an ended generation are kept for whoever wants to look at them, in seconds. Readers that have not
/// come to its end get the rest from the store.
const KEEP_ENDED: i64 = 24 * 60 * 60;

/// Publishes the events of one service. Several relays of one service do no harm.
pub struct Relay {
    store: EventStore,
    redis: Client,
    /// The layout, and when it was read; `None` when the relay doubts it.
    layout: Option<(Arc<Layout>, Instant)>,
    /// The generation that the cursors are about.
    epoch: u32,
    /// What the relay believes of each stream, by partition.
    cursors: HashMap<u16, Cursor>,
    /// Partitions that were published to their end since the layout was read: what comes after that, this relay numbers itself,
    /// or another one that publishes it, too.
    complete: HashSet<u16>,
    /// Something was committed in this process since the last round.
    is_expecting: bool,
    /// How much of a stream that Redis has forgotten is written again; `None` for all of it.
    retention: Option<Retention>,
    switch: Switch,
    guard: Guard,
    witnesses: Witnesses,
    pressure: Arc<Pressure>,
}

impl Relay {
    /// A relay over its own Redis client.
    pub fn new(store: EventStore, redis: Client) -> Self {
        Self {
            store,
            redis,
            layout: None,
            epoch: 0,
            cursors: HashMap::new(),
            complete: HashSet::new(),
            is_expecting: false,
            retention: None,
            switch: Switch::default(),
            guard: Guard::default(),
            witnesses: Witnesses::default(),
            pressure: Arc::default(),
        }
    }

    /// Writes no more of a forgotten stream than trimming would have left of it.
    pub(crate) fn retain(self, retention: Option<Retention>) -> Self {
        Self { retention, ..self }
    }

    /// Whether Redis runs out of memory, as this relay knows.
    pub(crate) fn pressure(&self) -> Arc<Pressure> {
        Arc::clone(&self.pressure)
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
                    gauge!("events_relay_paused", "reason" => "store_diverged").set(0.0);
                    if published > 0 { Duration::ZERO } else { POLL }
                }
                Err(error) if error.is_out_of_memory() => {
                    self.refused(&error);
                    POLL
                }
                Err(error) => {
                    failures += 1;
                    counter!("events_publish_errors_total", "kind" => error.kind()).increment(1);
                    // Once per change of state: an outage of an hour is one line, not a million.
                    if error.is_diverged() {
                        gauge!("events_relay_paused", "reason" => "store_diverged").set(1.0);
                        if failures == 1 {
                            tracing::error!(
                                error = chain(&error),
                                "relay publishes nothing until an operator begins a new generation of streams"
                            );
                        }
                    } else if failures == 1 {
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
                () = self.store.events_committed().notified(), if failures == 0 => self.is_expecting = true,
                () = tokio::time::sleep(pause) => self.forget(),
            }
        }
        close(&self.redis).await;
    }

    /// Doubts everything, so that the next round asks. An idle stream that was emptied is noticed this way.
    fn forget(&mut self) {
        self.layout = None;
        self.complete.clear();
        self.cursors.values_mut().for_each(Cursor::forget);
    }

    /// One round over all partitions: returns how many events moved on.
    ///
    /// # Errors
    ///
    /// The first failure; what was published before it stays published.
    pub async fn publish_all(&mut self) -> Result<usize, RuntimeError> {
        if self.switch.is_paused(&self.store).await? {
            sequencer::observe(&self.store).await?;
            return Ok(0);
        }
        loop {
            let layout = self.layout().await?;
            let keys: Vec<StreamKey> = (0..layout.partitions())
                .map(|partition| StreamKey::new(self.store.service(), partition).at(layout.epoch()))
                .collect();
            // All of them first, because a store that has lost its past must not give the same numbers to other events.
            for key in &keys {
                self.cursor(*key).await?;
            }
            let is_empty =
                keys.iter().all(|key| self.believed(key.partition).believed() == Some(0));
            let sequenced = if self.witnesses.may_number(&self.store, is_empty).await? {
                let is_expecting = std::mem::take(&mut self.is_expecting);
                sequencer::sequence(&self.store, layout.epoch(), is_expecting).await?
            } else {
                Sequenced::Events { events: 0, partitions: Vec::new() }
            };
            let mut moved = match sequenced {
                Sequenced::Events { events, partitions } => {
                    for partition in partitions {
                        self.complete.remove(&partition);
                    }
                    usize::try_from(events).unwrap_or(usize::MAX)
                }
                Sequenced::Outdated => {
                    self.forget();
                    continue;
                }
            };
            for key in keys {
                if !self.complete.contains(&key.partition) {
                    moved = moved.max(self.publish(key, &layout).await?);
                }
            }
            return Ok(moved);
        }
    }

    /// The layout of the store, announced to everybody.
    async fn layout(&mut self) -> Result<Arc<Layout>, RuntimeError> {
        if let Some((layout, read)) = &self.layout
            && read.elapsed() < LOOK
        {
            return Ok(Arc::clone(layout));
        }
        self.complete.clear();
        let (layout, read) = (self.store.refresh_layout().await?, Instant::now());
        // Before Redis is asked: what waits is most worth knowing while it does not answer.
        sequencer::observe(&self.store).await?;
        let announced = announce(&self.redis, self.store.service(), &layout).await;
        match announced.map_err(RuntimeError::from) {
            Ok(None) => (),
            Ok(Some(announced)) => {
                return Err(RuntimeError::StoreBehindLayout { announced, stored: layout.epoch() });
            }
            // Numbers are given all the same; those who read them from the store need not wait.
            Err(error) if error.is_out_of_memory() => self.refused(&error),
            Err(error) => return Err(error),
        }
        if layout.epoch() != self.epoch {
            self.cursors.clear();
            for ended in layout.generations().filter(|generation| generation.epoch < layout.epoch())
            {
                self.retire(ended).await?;
            }
            self.epoch = layout.epoch();
        }
        reported::check(&self.store).await?;
        self.layout = Some((Arc::clone(&layout), read));
        Ok(layout)
    }

    /// Lets the streams of an ended generation go, in a while.
    async fn retire(&self, ended: &Generation) -> Result<(), fred::error::Error> {
        for partition in 0..ended.partitions {
            let key = StreamKey::new(self.store.service(), partition).at(ended.epoch);
            let () = once(&self.redis)
                .expire(key.to_string(), KEEP_ENDED, Some(ExpireOptions::NX))
                .await?;
        }
        Ok(())
    }

    /// Pauses because Redis had no room.
    fn refused(&mut self, error: &RuntimeError) {
        counter!("events_publish_errors_total", "kind" => error.kind()).increment(1);
        self.guard.refused(&self.pressure);
    }

    /// Whether neither an operator nor a lack of memory stands in the way.
    async fn may_publish(&mut self) -> Result<bool, RuntimeError> {
        Ok(!self.switch.is_paused(&self.store).await?
            && self.guard.has_room(&self.redis, &self.pressure).await?)
    }

    /// Brings one stream up to the store, or as much nearer as goes before others have to wait for long.
    async fn publish(&mut self, key: StreamKey, layout: &Layout) -> Result<usize, RuntimeError> {
        // A generation begins with an empty stream, wherever its numbers begin.
        let base = layout.base(key.epoch, key.partition);
        let (name, store) = (key.to_string(), self.store.clone());
        let mut cursor = self.cursor(key).await?;
        let mut published = 0;
        // What was read ahead, and after which number.
        let mut ahead: Option<(u64, Page)> = None;
        for _ in 0..TURN {
            if !self.may_publish().await? {
                break;
            }
            let after = match cursor {
                0 => base.max(self.beginning(key).await?),
                cursor => cursor.max(base),
            };
            let page = match ahead.take() {
                Some((from, page)) if from == after => page,
                Some(_) | None => Page::read(&store, key, after, PAGE).await?,
            };
            let Some(end) = page.end() else {
                self.complete.insert(key.partition);
                break;
            };
            let is_full = i64::try_from(page.len()) == Ok(PAGE);
            self.guard.wrote(page.bytes());
            let writing = append(&self.redis, &name, cursor, &page);
            // A backlog is read while Redis takes what was read before.
            let last = if is_full {
                let (last, next) = tokio::join!(writing, Page::read(&store, key, end, PAGE));
                let last = last?;
                ahead = Some((end, next?));
                last
            } else {
                writing.await?
            };
            match self.believed(key.partition).answered(end, last) {
                Appended::All => {
                    published += page.len();
                    self.record(&page);
                    if !is_full {
                        self.complete.insert(key.partition);
                        break;
                    }
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

    /// After which sequence number an empty stream begins.
    async fn beginning(&self, key: StreamKey) -> Result<u64, RuntimeError> {
        let Some(retention) = self.retention else { return Ok(0) };
        let head = sequencer::head(&self.store, key.partition).await?;
        trim::beginning(&self.store, key, head, retention).await
    }

    /// The stream's last sequence number, as remembered or as Redis says; 0 if it is empty.
    async fn cursor(&mut self, key: StreamKey) -> Result<u64, RuntimeError> {
        let partition = key.partition;
        if let Some(cursor) = self.believed(partition).believed() {
            return Ok(cursor);
        }
        let Ends { tail, .. } = ends(&self.redis, &key.to_string()).await?;
        let head = sequencer::head(&self.store, partition).await?;
        let before = tail.sequence.saturating_sub(1);
        let stored = self.store.published_after(partition, before, 1).await?;
        let stored = stored.first().map(|stored| stored.id.to_string());
        let settled = self.believed(partition).settle(&tail, head, stored.as_deref());
        let lost = settled.map_err(|divergence| match divergence {
            Divergence::Behind { known, store } => {
                RuntimeError::StoreBehindStream { key: key.to_string(), stream: known, store }
            }
            Divergence::Different => {
                RuntimeError::StoreDiverged { key: key.to_string(), sequence: tail.sequence }
            }
        })?;
        counter!("events_republished_total").increment(lost);
        counter!("events_stream_rebuilds_total").increment(u64::from(lost > 0));
        Ok(tail.sequence)
    }

    fn believed(&mut self, partition: u16) -> &mut Cursor {
        self.cursors.entry(partition).or_default()
    }

    fn record(&self, page: &Page) {
        counter!("events_published_total").increment(page.len() as u64);
        #[expect(clippy::cast_precision_loss, reason = "a page has at most 500 events")]
        histogram!("events_publish_batch_size").record(page.len() as f64);
        let (now, delays) = (self.store.clock().now(), histogram!("events_publish_delay_seconds"));
        for time in page.times() {
            delays.record((now - time).to_std().unwrap_or_default().as_secs_f64());
        }
        tracing::debug!(begin = page.begin(), count = page.len(), "published");
    }
}
