//! An owner at work: reading, applying, acknowledging and writing the watermark go on beside each other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use metrics::counter;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{
    Concurrency, Consumer,
    error::OwnerError,
    fence,
    group::Group,
    lanes::Lanes,
    observe::{self, Sight},
    owner::Owner,
    parked::Parked,
    source::{Read, Source},
};
use crate::{
    error::chain,
    park,
    rules::{Gap, Page, Silence},
};

/// Entries that may be delivered and not yet acknowledged, per lane and at most. Also the most that a crash redelivers, and
/// the most that Redis keeps in the list of pending entries.
const CREDITS: (usize, usize) = (1_024, 4_096);

/// Entries per read.
const COUNT: usize = 512;

/// How often an owner looks at the stream from outside.
const OBSERVE: Duration = Duration::from_secs(1);

/// How often an owner looks for parked events whose time has come, while there are any.
pub(super) const RETRY: Duration = Duration::from_millis(200);

/// How often it tries those that an older build did not understand.
pub(super) const MEND: Duration = Duration::from_secs(30);

/// How long the watermark may stay behind the inbox.
const COMPACT: Duration = Duration::from_millis(100);

/// Events done ahead of the written watermark that are written at once.
const COMPACT_SOON: u64 = 512;

/// A future of which there is one or none.
type Maybe<'a, T> = Option<BoxFuture<'a, Result<T, OwnerError>>>;

/// The one, to its end; never if there is none.
async fn one<T>(future: &mut Maybe<'_, T>) -> Result<T, OwnerError> {
    let Some(running) = future else { return std::future::pending().await };
    let result = running.await;
    *future = None;
    result
}

/// Until then; not at all without a time.
async fn sleep_until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time.into()).await;
    }
}

impl Consumer {
    pub(super) async fn retry(
        &self,
        parked: &Parked,
        is_mending: bool,
        stop: &CancellationToken,
    ) -> Result<(), DbErr> {
        let (store, handler, subscription) = (&self.store, &*self.handler, self.subscription);
        let turn = (handler.concurrency() == Concurrency::Serial).then_some(&*self.turn);
        if is_mending {
            park::mend(store, handler, subscription, turn, stop).await?;
        }
        park::retry_due(store, handler, subscription, turn, stop).await?;
        let generation = parked.generation();
        if !park::has_any(store.db(), subscription.group).await? {
            parked.none_since(generation);
        }
        Ok(())
    }
}

impl Owner<'_> {
    /// The loop: one read, one acknowledgement and one compaction at a time, and all lanes, each beside the others.
    pub(super) async fn turn(
        &mut self,
        source: &dyn Source,
        lanes: &mut Lanes,
    ) -> Result<(), OwnerError> {
        let consumer = Arc::clone(self.consumer);
        let concurrency = consumer.handler.concurrency();
        let mut place = Place::new(self.progress.watermark(), concurrency);
        let (mut reading, mut settling, mut compacting, mut observing): (
            Maybe<'_, Read>,
            Maybe<'_, usize>,
            Maybe<'_, u64>,
            Maybe<'_, Sight>,
        ) = (None, None, None, None);
        let mut retrying: Maybe<'_, ()> = None;
        let (mut retry_at, mut mend_at) = (Instant::now(), Instant::now());
        let mut compacted = Instant::now();
        let mut observe = tokio::time::interval(OBSERVE);
        observe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_stopping = self.stop.is_cancelled();
            if !is_stopping {
                // A lane that moves the watermark begins where it is, which is not known while it is written.
                if concurrency != Concurrency::Serial || compacting.is_none() {
                    lanes.start(self.persisted);
                }
                if reading.is_none()
                    && let Some(count) = place.may_read()
                {
                    reading = Some(source.read(count));
                }
            }
            if settling.is_none() && !place.settled.is_empty() {
                let (sequences, watermark) = (std::mem::take(&mut place.settled), self.persisted);
                settling = Some(Box::pin(async move {
                    source.settle(&sequences, watermark).await.map(|()| sequences.len())
                }));
            }
            let ahead = self.progress.watermark() - self.persisted;
            // A lane that moves the watermark itself is in the way while it works.
            let may_compact = (ahead > 0 || self.has_inbox && self.progress.ahead() == 0)
                && compacting.is_none()
                && (concurrency != Concurrency::Serial || lanes.are_idle());
            let is_time = ahead >= COMPACT_SOON || is_stopping || compacted.elapsed() >= COMPACT;
            if may_compact && is_time {
                compacting = Some(self.compact());
            }
            let now = Instant::now();
            if retrying.is_none() && !is_stopping && self.parked.any() && now >= retry_at {
                retrying = Some(self.retry(now >= mend_at));
                retry_at = now + RETRY;
                if now >= mend_at {
                    mend_at = now + MEND;
                }
            }
            let is_at_rest = lanes.are_idle()
                && settling.is_none()
                && compacting.is_none()
                && ahead == 0
                && place.settled.is_empty();
            // An attempt that was begun is finished, too: others behind it are still asked for.
            if is_at_rest && is_stopping && retrying.is_none() {
                return Ok(());
            }
            if is_at_rest && lanes.waiting() == 0 {
                if let Some(gap) = place.gap {
                    return Err(OwnerError::Gap(gap));
                }
                if place.is_over {
                    return Ok(());
                }
            }

            let lingers_until = lanes.lingers_until();
            tokio::select! {
                () = self.stop.cancelled(), if !is_stopping => (),
                () = sleep_until(lingers_until), if lingers_until.is_some() && !is_stopping => (),
                read = one(&mut reading) => self.take(read?, &mut place, lanes),
                finished = lanes.finished() => {
                    let finished = finished?;
                    self.complete(&finished);
                    place.settled.extend(&finished.done);
                    lanes.give_back(finished.lane);
                    finished.result?;
                }
                count = one(&mut settling) => place.in_flight = place.in_flight.saturating_sub(count?),
                to = one(&mut compacting) => {
                    compacted = Instant::now();
                    self.persist(to?);
                    self.has_inbox &= self.progress.ahead() > 0;
                }
                () = tokio::time::sleep(COMPACT), if may_compact && compacting.is_none() => (),
                retried = one(&mut retrying) => retried?,
                () = tokio::time::sleep_until(retry_at.into()), if retrying.is_none() && !is_stopping && self.parked.any() => (),
                sight = one(&mut observing) => self.observe(sight?, source, &mut place, lanes)?,
                _ = observe.tick(), if observing.is_none() && !is_stopping => {
                    let (commands, key) = (Arc::clone(&consumer.commands), consumer.subscription.key.at(self.stream_epoch));
                    let (group, watermark) = (Group { name: consumer.subscription.group, key }, self.progress.watermark());
                    observing = Some(Box::pin(async move {
                        let sight = observe::look(&group, commands.client(), watermark).await;
                        Ok(commands.checked(sight).await?)
                    }));
                }
            }
        }
    }

    /// Queues what was read. Numbers are dense: one that does not follow means that others are missing.
    fn take(&mut self, read: Read, place: &mut Place, lanes: &mut Lanes) {
        let Read::Entries(entries) = read else {
            place.is_over = true;
            return;
        };
        place.is_quiet = entries.is_empty();
        if !place.is_quiet {
            self.listener.heard();
        }
        let Page { known, new, gap } =
            Page::of(place.read, entries.iter().map(|entry| entry.sequence));
        place.read += new.len() as u64;
        // One that waits or is in hand is acknowledged when it is done.
        let done: Vec<u64> = known
            .into_iter()
            .chain(new.iter().copied())
            .filter(|at| self.progress.is_done(*at))
            .collect();
        counter!("events_handled_total", "outcome" => "duplicate").increment(done.len() as u64);
        place.in_flight += done.len();
        place.settled.extend(done);
        let mut due = new.iter().peekable();
        for entry in entries {
            if due.next_if(|due| **due == entry.sequence).is_some()
                && !self.progress.is_done(entry.sequence)
            {
                place.in_flight += 1;
                if self.consumer.takes(&entry) {
                    lanes.push(entry);
                } else {
                    counter!("events_handled_total", "outcome" => "passed").increment(1);
                    self.progress.complete(entry.sequence);
                    self.passed.insert(entry.sequence);
                    place.settled.push(entry.sequence);
                }
            }
        }
        // What comes before it is applied first.
        place.gap = gap;
    }

    /// Writes the watermark over what the lanes did.
    fn compact(&self) -> BoxFuture<'static, Result<u64, OwnerError>> {
        let (db, subscription) = (self.consumer.store.db().clone(), self.consumer.subscription);
        let (epoch, from, to) = (self.epoch, self.persisted, self.progress.watermark());
        let passed = self.passed.range(..=to).count() as u64;
        Box::pin(async move {
            let is_mine = fence::compact(&db, subscription, epoch, (from, to), passed).await?;
            if is_mine { Ok(to) } else { Err(OwnerError::Fenced) }
        })
    }

    /// Tries parked events again whose time has come. A failure here stops nobody else.
    fn retry(&self, is_mending: bool) -> BoxFuture<'static, Result<(), OwnerError>> {
        let (consumer, parked) = (Arc::clone(self.consumer), Arc::clone(&self.parked));
        let stop = self.stop.clone();
        Box::pin(async move {
            if let Err(error) = consumer.retry(&parked, is_mending, &stop).await {
                tracing::warn!(
                    group = consumer.subscription.group,
                    error = chain(&error),
                    "parked events not tried again"
                );
                stop.run_until_cancelled(tokio::time::sleep(OBSERVE)).await;
            }
            Ok(())
        })
    }

    /// The figures of the partition; and whether reading still gives what there is.
    fn observe(
        &mut self,
        sight: Sight,
        source: &dyn Source,
        place: &mut Place,
        lanes: &Lanes,
    ) -> Result<(), OwnerError> {
        let (subscription, watermark) = (self.consumer.subscription, self.progress.watermark());
        let head = sight.head;
        let known =
            self.consumer.layout.get().map_or(0, |layout| layout.head(subscription.key.partition));
        sight.show(subscription, watermark, known, self.consumer.store.clock().now());
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let work = [place.in_flight as f64, lanes.waiting() as f64, self.progress.ahead() as f64];
        observe::show_work(subscription, work);
        let is_idle = lanes.are_idle() && lanes.waiting() == 0 && place.read == watermark;
        if !(source.is_live() && place.is_quiet && is_idle && head > watermark) {
            place.undelivered = None;
        } else if place.undelivered.replace(watermark) == Some(watermark) {
            // Seen twice, so it is not on its way.
            return match self.listener.silence(watermark, head) {
                Silence::Nothing => Ok(()),
                Silence::Stolen => Err(OwnerError::Undelivered { watermark, head }),
                Silence::Missing => {
                    // Nor from the watermark: it was deleted, up to the end.
                    let (expected, found) = (watermark + 1, head.saturating_add(1));
                    Err(OwnerError::Gap(Gap { expected, found }))
                }
            };
        }
        Ok(())
    }
}

/// Where an owner is in its source.
struct Place {
    /// The last number that was read; the one after it must come next.
    read: u64,
    /// Delivered and not yet acknowledged.
    in_flight: usize,
    credits: usize,
    /// Done, and to be acknowledged.
    settled: Vec<u64>,
    /// What came after a hole: nothing more is read.
    gap: Option<Gap>,
    /// The source has no more.
    is_over: bool,
    /// The last read found nothing.
    is_quiet: bool,
    /// The watermark at which nothing was delivered although there is something.
    undelivered: Option<u64>,
}

impl Place {
    fn new(watermark: u64, concurrency: Concurrency) -> Self {
        Self {
            read: watermark,
            in_flight: 0,
            credits: (CREDITS.0 * usize::from(concurrency.lanes())).min(CREDITS.1),
            settled: Vec::new(),
            gap: None,
            is_over: false,
            is_quiet: false,
            undelivered: None,
        }
    }

    /// How many entries may be read now. Not a few whenever a few have left: a read is worth its round trip.
    fn may_read(&self) -> Option<u64> {
        let free = self.credits.saturating_sub(self.in_flight).min(COUNT);
        (!self.is_over && self.gap.is_none() && free >= COUNT / 2).then_some(free as u64)
    }
}
