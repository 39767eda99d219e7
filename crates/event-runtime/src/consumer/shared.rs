//! Shared groups: many readers of one partition, no owner and no order, for effects that commute.
//!
//! Each process runs some readers under leased names. An event takes effect in the transaction that writes its number into
//! the inbox, which only one can; so it does not matter who reads it, nor how often. What a reader was given and did not
//! finish is claimed by the others when it has been idle for five seconds; a reader that is slow says every second and a half
//! that it is still there. The watermark follows the inbox.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::{
    Consumer,
    batch::{Lane, Mark},
    catch_up::{self, Stored},
    error::OwnerError,
    fence,
    generation::Place,
    group::{BEGIN, Group, is_gone},
    observe,
    owner::Owner,
    parked::Parked,
    slots,
    source::{Read, Source},
    turn,
};
use crate::{
    error::chain,
    heartbeat,
    lease::Ownership,
    park,
    redis::{Dedicated, backoff},
    rules::Gap,
    stream::Entry,
};

/// Entries per read: few, so that readers share what there is.
const COUNT: u64 = 64;

/// Entries that have been idle for so long are claimed: their reader is gone.
const IDLE: Duration = Duration::from_secs(5);

/// How often a reader says that it is still at work.
const BEAT: Duration = Duration::from_millis(1_500);

/// How often claims are made, slots renewed and the stream looked at.
const ROUND: Duration = Duration::from_secs(1);

/// How often the watermark follows the inbox.
const COMPACT: Duration = Duration::from_millis(200);

/// Deliveries after which an event is suspected of ending its readers.
const SUSPICIOUS: u64 = 3;

/// After how long without a move the watermark's next event is fetched, if nobody has it.
const STUCK: Duration = Duration::from_secs(10);

/// Why the readers of a process begin again.
enum End {
    Failed(OwnerError),
    /// The slots are not those that they were, or the generation is over.
    Moved,
    Paused,
    /// There is nothing to read by now.
    Nowhere,
}

impl<E: Into<OwnerError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The readers of one partition in one process, while they have the same slots.
struct Share {
    consumer: Arc<Consumer>,
    group: Group,
    parked: Arc<Parked>,
    stop: CancellationToken,
}

impl Consumer {
    /// Reads a partition together with other processes until told to stop.
    pub(super) async fn share(self: Arc<Self>, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let (began, stop) = (Instant::now(), shutdown.child_token());
            let pause = match Arc::clone(&self).share_once(&stop).await {
                Ok(()) => Duration::ZERO,
                Err(End::Moved | End::Paused | End::Nowhere) => ROUND,
                Err(End::Failed(error)) => {
                    failures = if began.elapsed() > IDLE { 1 } else { failures + 1 };
                    self.report(&error, failures);
                    backoff(failures)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(pause) => (),
            }
        }
        if let Err(error) =
            slots::release(self.store.db(), self.subscription, self.leases.owner()).await
        {
            tracing::info!(error = chain(&error), "slots not released; they end by themselves");
        }
        observe::show_nothing(self.subscription);
    }

    fn report(&self, error: &OwnerError, failures: u32) {
        let (group, key) = (self.subscription.group, self.subscription.key);
        match error {
            OwnerError::Redis(cause) if is_gone(cause) => {
                tracing::warn!(group, stream = %key, "the group is gone; making it again at the watermark");
            }
            OwnerError::Gap(_) => counter!("events_stream_gap_detected_total").increment(1),
            OwnerError::Redis(_)
            | OwnerError::Storage(_)
            | OwnerError::Lane(_)
            | OwnerError::Fenced
            | OwnerError::Undelivered { .. } => (),
        }
        // Once per change of state, whatever the outage lasts.
        if failures == 1 {
            tracing::warn!(group, stream = %key, error = chain(error), "the readers begin again");
        }
    }

    /// From the slots and the watermark on, until something fails.
    async fn share_once(self: Arc<Self>, stop: &CancellationToken) -> Result<(), End> {
        let (db, subscription) = (self.store.db(), self.subscription);
        let Some(ownership) = slots::enter(db, subscription).await? else {
            return Err(End::Paused);
        };
        let has_parked = park::has_any(db, subscription.group).await?;
        let mut place = Owner::new(&self, stop, ownership, has_parked);
        let found = place.place().await?;
        let watermark = place.progress.watermark();
        let key = match found {
            Place::Live(key) | Place::Ended(key, _) => key,
            Place::Nowhere => return Err(End::Nowhere),
        };
        let group = Group { name: subscription.group, key };
        let parked = Arc::clone(&place.parked);
        let share = Share { consumer: Arc::clone(&self), group, parked, stop: stop.clone() };
        if let Place::Ended(_, end) = found {
            return share.read_stored(watermark, end).await;
        }
        let commands = self.commands.client();
        let created = share.group.create(commands, watermark).await;
        if !self.commands.checked(created).await? {
            share.rewind(watermark).await?;
        }
        share.catch_up(watermark, None).await?;

        let count = self.handler.concurrency().lanes();
        let numbers = slots::hold(db, subscription, self.leases.owner(), count).await?;
        let mut parts: FuturesUnordered<BoxFuture<'_, Result<(), End>>> = FuturesUnordered::new();
        for number in &numbers {
            parts.push(Box::pin(share.read(format!("w-{number}"))));
        }
        if let Some(first) = numbers.first() {
            parts.push(Box::pin(share.claim(format!("w-{first}"))));
        }
        parts.push(Box::pin(share.keep(&numbers, count)));
        parts.push(Box::pin(share.compact()));
        parts.push(Box::pin(share.retry()));
        let mut result = Ok(());
        while let Some(ended) = parts.next().await {
            // The others finish what they have in hand.
            stop.cancel();
            result = result.and(ended);
        }
        result
    }
}

impl Share {
    /// One reader.
    async fn read(&self, member: String) -> Result<(), End> {
        let reader = Dedicated::connect(&self.consumer.redis_url)?;
        let result = loop {
            let entries = tokio::select! {
                () = self.stop.cancelled() => break Ok(()),
                entries = self.group.read(reader.client(), &member, COUNT) => entries,
            };
            match entries {
                Ok(entries) => {
                    if let Err(error) = self.work(&member, entries, false).await {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        reader.abandon().await;
        result
    }

    /// Applies entries and acknowledges them. Meanwhile nobody else claims them.
    async fn work(&self, member: &str, entries: Vec<Entry>, is_careful: bool) -> Result<(), End> {
        let (whole, lost): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| entry.fields.is_some());
        counter!("events_lost_pending_total").increment(lost.len() as u64);
        if whole.is_empty() {
            return Ok(());
        }
        let sequences: Vec<u64> = whole.iter().map(|entry| entry.sequence).collect();
        let lane = Lane {
            index: 0,
            epoch: i64::from(self.group.key.epoch),
            mark: Mark::Shared,
            parked: Arc::clone(&self.parked),
            is_careful,
            stop: self.stop.clone(),
        };
        let commands = &self.consumer.commands;
        let beat = || async {
            // A beat that fails is made up by the next one, and a claim in between by the inbox.
            let beaten = self.group.beat(commands.client(), member, &sequences).await;
            if let Err(error) = commands.checked(beaten).await {
                tracing::debug!(error = chain(&error), "reader could not say that it is at work");
            }
        };
        let work = Arc::clone(&self.consumer).process(lane, whole);
        let finished = heartbeat::beside(work, BEAT, beat).await;
        let acknowledged = self.group.acknowledge(commands.client(), &finished.done).await;
        let acknowledged = commands.checked(acknowledged).await;
        finished.result?;
        let missing = (finished.done.len() as u64).saturating_sub(acknowledged?);
        counter!("events_ack_missing_total").increment(missing);
        Ok(())
    }

    /// Takes over what readers that are gone had in hand, round by round.
    async fn claim(&self, member: String) -> Result<(), End> {
        let commands = &self.consumer.commands;
        let mut cursor = BEGIN.to_owned();
        while !self.stop.is_cancelled() {
            let claimed = self.group.claim(commands.client(), &member, IDLE, &cursor).await;
            let claimed = commands.checked(claimed).await?;
            counter!("events_claimed_total").increment(claimed.entries.len() as u64);
            counter!("events_lost_pending_total").increment(claimed.lost as u64);
            let (careful, others) = self.suspects(claimed.entries).await?;
            self.work(&member, others, false).await?;
            for entry in careful {
                self.work(&member, vec![entry], true).await?;
            }
            cursor = claimed.next;
            if cursor == BEGIN {
                tokio::select! {
                    () = self.stop.cancelled() => (),
                    () = tokio::time::sleep(ROUND) => (),
                }
            }
        }
        Ok(())
    }

    /// Those that were delivered too often without an end, and the others.
    async fn suspects(&self, entries: Vec<Entry>) -> Result<(Vec<Entry>, Vec<Entry>), End> {
        let Some(first) = entries.first().map(|entry| entry.sequence) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let commands = &self.consumer.commands;
        let pending = self.group.pending_after(commands.client(), first.saturating_sub(1)).await;
        let pending = commands.checked(pending).await?;
        let is_suspicious = |entry: &Entry| {
            pending.iter().any(|one| one.sequence == entry.sequence && one.deliveries >= SUSPICIOUS)
        };
        Ok(entries.into_iter().partition(is_suspicious))
    }

    /// Keeps the slots, shows the figures, and looks whether the watermark moves.
    async fn keep(&self, numbers: &[i16], count: u16) -> Result<(), End> {
        let (db, subscription) = (self.consumer.store.db(), self.consumer.subscription);
        let (mut watermark, mut moved) = (0, Instant::now());
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(ROUND) => (),
            }
            let owner = self.consumer.leases.owner();
            if slots::hold(db, subscription, owner, count).await? != numbers {
                return Err(End::Moved);
            }
            let Some(Ownership { watermark: at, stream_epoch, .. }) =
                slots::enter(db, subscription).await?
            else {
                return Err(End::Paused);
            };
            let key = self.group.key;
            let announced = self.consumer.layout.get().map(|layout| layout.epoch());
            if stream_epoch != key.epoch || announced != Some(key.epoch) {
                return Err(End::Moved);
            }
            let commands = &self.consumer.commands;
            let sight = observe::look(&self.group, commands.client(), at).await;
            let sight = commands.checked(sight).await?;
            let head = sight.head;
            let known = self.consumer.layout.get().map_or(0, |layout| layout.head(key.partition));
            sight.show(subscription, at, known, self.consumer.store.clock().now());
            if at != watermark || at >= head {
                (watermark, moved) = (at, Instant::now());
            } else if moved.elapsed() > STUCK {
                self.fetch(at, head).await?;
                moved = Instant::now();
            }
        }
    }

    /// Puts the group back to the watermark if nobody has anything beyond it: what was given out from there on took effect,
    /// which the inbox knows, or has to be given out again, as after a seek. While somebody has something it stays: given out
    /// again, its deliveries would no longer count. Returns whether it did.
    async fn rewind(&self, watermark: u64) -> Result<bool, End> {
        let commands = &self.consumer.commands;
        let pending = self.group.pending_after(commands.client(), watermark).await;
        if !commands.checked(pending).await?.is_empty() {
            return Ok(false);
        }
        let positioned = self.group.position(commands.client(), watermark).await;
        commands.checked(positioned).await?;
        Ok(true)
    }

    /// Applies what comes after the watermark, is not in the inbox and was given to nobody: somebody removed a reader by hand.
    /// The inbox knows what is done meanwhile.
    async fn fetch(&self, watermark: u64, head: u64) -> Result<(), End> {
        let (db, subscription) = (self.consumer.store.db(), self.consumer.subscription);
        let up_to = head.min(watermark.saturating_add(COUNT));
        let missing = slots::missing(db, subscription, watermark, up_to).await?;
        let commands = &self.consumer.commands;
        let range = self.group.range(commands.client(), watermark + 1, up_to).await;
        let mut entries = commands.checked(range).await?;
        if entries.first().is_none_or(|first| first.sequence > watermark + 1) {
            let found = entries.first().map_or(head, |first| first.sequence);
            return self.catch_up(watermark, Some(Gap { expected: watermark + 1, found })).await;
        }
        if self.rewind(watermark).await? {
            return Ok(());
        }
        // Somebody has those in hand, or will be claimed from.
        let pending = self.group.pending_after(commands.client(), watermark).await;
        let pending = commands.checked(pending).await?;
        entries.retain(|entry| {
            missing.contains(&entry.sequence)
                && !pending.iter().any(|pending| pending.sequence == entry.sequence)
        });
        if entries.is_empty() {
            return Ok(());
        }
        tracing::info!(
            group = subscription.group,
            watermark,
            entries = entries.len(),
            "events fetched that nobody finished"
        );
        self.work("w-0", entries, false).await
    }

    /// Reads what the stream does not have any more from its producer, if that is so.
    async fn catch_up(&self, watermark: u64, gap: Option<Gap>) -> Result<(), End> {
        let reader = Dedicated::connect(&self.consumer.redis_url)?;
        let opened = catch_up::open(&self.group, reader.client(), watermark, gap).await?;
        let Some(source) = opened else { return Ok(()) };
        let result = self.follow(&*source, watermark).await;
        reader.abandon().await;
        result
    }

    /// Reads the rest of a generation that has ended.
    async fn read_stored(&self, watermark: u64, end: u64) -> Result<(), End> {
        let reader = Dedicated::connect(&self.consumer.redis_url)?;
        let source = Stored::new(&self.group, reader.client(), watermark, end);
        let result = self.follow(&source, watermark).await;
        reader.abandon().await;
        result
    }

    async fn follow(&self, source: &dyn Source, mut watermark: u64) -> Result<(), End> {
        while !self.stop.is_cancelled() {
            let Read::Entries(entries) = source.read(COUNT).await? else { return Ok(()) };
            let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
            self.work("w-0", entries, false).await?;
            let compacted =
                fence::compact_shared(self.consumer.store.db(), self.consumer.subscription);
            watermark = compacted.await?.unwrap_or(watermark);
            source.settle(&sequences, watermark).await?;
        }
        Ok(())
    }

    /// Lets the watermark follow the inbox, and once more at the end.
    async fn compact(&self) -> Result<(), End> {
        loop {
            let is_stopping = self.stop.is_cancelled();
            fence::compact_shared(self.consumer.store.db(), self.consumer.subscription).await?;
            if is_stopping {
                return Ok(());
            }
            tokio::select! {
                () = self.stop.cancelled() => (),
                () = tokio::time::sleep(COMPACT) => (),
            }
        }
    }

    /// Tries parked events again.
    async fn retry(&self) -> Result<(), End> {
        let mut mended = None::<Instant>;
        while !self.stop.is_cancelled() {
            if self.parked.any() {
                let is_mending = mended.is_none_or(|at| at.elapsed() > turn::MEND);
                if is_mending {
                    mended = Some(Instant::now());
                }
                if let Err(error) = self.consumer.retry(&self.parked, is_mending, &self.stop).await
                {
                    tracing::warn!(error = chain(&error), "parked events not tried again");
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => (),
                () = tokio::time::sleep(turn::RETRY) => (),
            }
        }
        Ok(())
    }
}
