//! The life of an owner: enter, find the place, then read, apply and acknowledge side by side, and leave.

use std::{collections::BTreeSet, sync::Arc};

use metrics::counter;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{
    Concurrency, Consumer,
    batch::{Finished, Lane, Mark},
    error::OwnerError,
    group::is_gone,
    lanes::Lanes,
    observe,
    parked::Parked,
    progress::Progress,
    source,
};
use crate::{
    error::chain,
    lease::{Ownership, Taken},
    park,
    redis::{Dedicated, backoff},
    rules::{Gap, Listener},
};

/// Owners lost in a row, without any event taking effect in between, after which an event is suspected.
const SUSPICIOUS: i32 = 2;

/// The work on one partition, from its lease to its release.
pub(super) struct Owner<'a> {
    pub(super) consumer: &'a Arc<Consumer>,
    pub(super) epoch: i64,
    pub(super) stop: &'a CancellationToken,
    pub(super) progress: Progress,
    /// The generation of the stream in which the watermark counts.
    pub(super) stream_epoch: u32,
    /// The producer does not know that generation.
    pub(super) is_lost: bool,
    /// The watermark as the database has it.
    pub(super) persisted: u64,
    /// What passed above that: events that the handler does not take, of which the database has no other word.
    pub(super) passed: BTreeSet<u64>,
    /// Former lanes left rows in the inbox, which must go when the watermark has passed them.
    pub(super) has_inbox: bool,
    pub(super) parked: Arc<Parked>,
    is_suspicious: bool,
    /// An event up to here may have ended its owner.
    attempted: u64,
    /// What came in place of the event after the watermark.
    gap: Option<Gap>,
    pub(super) listener: Listener,
}

impl Consumer {
    /// Works on a partition until its lease is lost or the process stops, and gives it back.
    pub(super) async fn own(self: Arc<Self>, taken: Taken) {
        if !taken.lost.is_cancelled() {
            match self.enter(&taken).await {
                Ok(Some((ownership, has_parked))) => {
                    self.work(&taken, ownership, has_parked).await;
                }
                Ok(None) => self.leases.rest(self.subscription),
                Err(error) => {
                    tracing::warn!(
                        group = self.subscription.group,
                        error = chain(&error),
                        "partition not entered"
                    );
                    self.leases.rest(self.subscription);
                }
            }
        }
        if let Err(error) = self.leases.release(&taken).await {
            tracing::info!(error = chain(&error), "lease not released; it ends by itself");
        }
    }

    async fn enter(&self, taken: &Taken) -> Result<Option<(Ownership, bool)>, DbErr> {
        let Some(ownership) = self.leases.enter(taken).await? else { return Ok(None) };
        // Asked anew by every owner: the last one may have been another process.
        let has_parked = park::has_any(self.store.db(), self.subscription.group).await?;
        Ok(Some((ownership, has_parked)))
    }

    async fn work(self: &Arc<Self>, taken: &Taken, ownership: Ownership, has_parked: bool) {
        let (group, key) = (self.subscription.group, self.subscription.key);
        let (epoch, watermark) = (ownership.epoch, ownership.watermark);
        tracing::debug!(group, stream = %key, epoch, watermark, "partition taken");
        let mut owner = Owner::new(self, &taken.lost, ownership, has_parked);
        let reader = match Dedicated::connect(&self.redis_url) {
            Ok(reader) => reader,
            Err(error) => {
                tracing::error!(error = chain(&error), "no redis client");
                return;
            }
        };
        observe::owns(self.subscription, true);
        owner.run(&reader).await;
        observe::owns(self.subscription, false);
        reader.abandon().await;
    }
}

impl<'a> Owner<'a> {
    pub(super) fn new(
        consumer: &'a Arc<Consumer>,
        stop: &'a CancellationToken,
        ownership: Ownership,
        has_parked: bool,
    ) -> Self {
        let Ownership { epoch, watermark, stream_epoch, inbox, orphaned, attempted } = ownership;
        Self {
            consumer,
            epoch,
            stop,
            has_inbox: !inbox.is_empty(),
            progress: Progress::load(watermark, inbox),
            stream_epoch,
            is_lost: false,
            persisted: watermark,
            passed: BTreeSet::new(),
            parked: Arc::new(Parked::new(has_parked)),
            is_suspicious: orphaned >= SUSPICIOUS || attempted > watermark,
            attempted,
            gap: None,
            listener: Listener::default(),
        }
    }

    /// Follows the stream, and begins again at the watermark whenever something interrupts it.
    async fn run(&mut self, reader: &Dedicated) {
        let (group, key) = (self.consumer.subscription.group, self.consumer.subscription.key);
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let before = self.progress.watermark();
            let Err(error) = self.follow(reader).await else { continue };
            if self.progress.watermark() > before {
                failures = 0;
            }
            failures += 1;
            match &error {
                OwnerError::Fenced => {
                    counter!("events_fenced_total").increment(1);
                    tracing::info!(group, stream = %key, "another process took the partition");
                    return;
                }
                OwnerError::Gap(gap) => {
                    self.gap = Some(*gap);
                    counter!("events_stream_gap_detected_total").increment(1);
                    tracing::warn!(group, stream = %key, error = chain(&error), "gap; the producer is asked for what is missing");
                }
                OwnerError::Undelivered { .. } => {
                    tracing::info!(group, stream = %key, error = chain(&error), "reading again from the watermark");
                }
                OwnerError::Redis(cause) if is_gone(cause) => {
                    tracing::warn!(group, stream = %key, "the group is gone; making it again at the watermark");
                }
                OwnerError::Storage(_) | OwnerError::Lane(_) => {
                    // Whether the last commit took place is unknown: only the watermark in the database can tell.
                    tracing::warn!(group, stream = %key, error = chain(&error), "database interrupted the consumer");
                    self.consumer.leases.rest(self.consumer.subscription);
                    return;
                }
                OwnerError::Redis(_) => {
                    // Once per change of state, whatever the outage lasts.
                    if failures == 1 {
                        tracing::warn!(group, stream = %key, error = chain(&error), "redis interrupted the consumer");
                    }
                }
            }
            if let OwnerError::Redis(cause) = &error {
                counter!("events_reconnects_total").increment(1);
                reader.recover(cause).await;
            }
            tokio::select! {
                () = self.stop.cancelled() => (),
                () = tokio::time::sleep(backoff(failures)) => (),
            }
        }
    }

    /// From the watermark on, until the source is over, something fails, or the owner has to stop.
    async fn follow(&mut self, reader: &Dedicated) -> Result<(), OwnerError> {
        let place = self.place().await?;
        let gap = self.gap.take();
        let opened = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            opened = source::open(self.consumer, place, reader.client(), &self.progress, gap) => opened?,
        };
        let mut lanes = self.lanes();
        let doubtful = opened.in_doubt.max(self.attempted);
        if self.is_suspicious && doubtful > self.progress.watermark() {
            tracing::warn!(
                group = self.consumer.subscription.group, stream = %self.consumer.subscription.key,
                until = doubtful, "owners were lost here; events are tried one by one"
            );
            lanes.be_careful_until(doubtful);
        }
        // From now on what is in doubt was delivered to this owner.
        self.is_suspicious &= !opened.source.is_live();
        let followed = self.turn(&*opened.source, &mut lanes).await;
        // What was begun is finished: its effects may be committed any moment, and belong to this owner.
        lanes.forget_waiting();
        let mut drained = Ok(());
        while !lanes.are_idle() {
            match lanes.finished().await {
                Ok(finished) => {
                    self.complete(&finished);
                    drained = drained.and(finished.result);
                }
                Err(error) => drained = Err(error),
            }
        }
        // The database's word weighs more: it ends the ownership.
        drained.and(followed)
    }

    fn lanes(&self) -> Lanes {
        let concurrency = self.consumer.handler.concurrency();
        let mark = match concurrency {
            Concurrency::Serial => Mark::Watermark(self.persisted),
            Concurrency::Lanes(_) | Concurrency::Shared(_) => Mark::Inbox,
        };
        let lane = |_| Lane {
            index: 0,
            epoch: self.epoch,
            mark,
            parked: Arc::clone(&self.parked),
            is_careful: false,
            stop: self.stop.clone(),
        };
        Lanes::new(self.consumer, (0..concurrency.lanes()).map(lane))
    }

    /// Takes note of what a lane did.
    pub(super) fn complete(&mut self, Finished { lane, done, .. }: &Finished) {
        for sequence in done {
            self.progress.complete(*sequence);
        }
        if let Mark::Watermark(at) = lane.mark {
            self.persist(at);
        }
    }

    /// Takes note of where the watermark is in the database.
    pub(super) fn persist(&mut self, watermark: u64) {
        self.persisted = watermark;
        self.passed = self.passed.split_off(&(watermark + 1));
    }
}
