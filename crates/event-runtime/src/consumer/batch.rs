//! Applying a batch: one transaction for all of it, and smaller ones when an event of it fails.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{counter, histogram};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Consumer, attempt, error::OwnerError, fence, handle, parked::Parked};
use crate::{
    ApplyError, UnitOfWork,
    error::{chain, is_transient},
    park::{self, ParkedRow},
    redis::backoff,
    stream::Entry,
};

/// How often a whole batch waits for the database before its events are tried one by one.
const BATCH_TRIES: u32 = 3;

/// How often an event that asks to be tried again is tried in its place, before it is parked until its time comes.
const INLINE_TRIES: u32 = 3;

/// The pause between those tries; no more, since the lane waits.
const INLINE_PAUSE: Duration = Duration::from_millis(20);

/// One line of transactions: what it needs to prove that it may write, and how it leaves word of what it wrote.
pub(super) struct Lane {
    pub(super) index: usize,
    /// The owner's, or the stream's generation where there is no owner.
    pub(super) epoch: i64,
    pub(super) mark: Mark,
    pub(super) parked: Arc<Parked>,
    /// Each event is noted before its handler runs, since it may end the process.
    pub(super) is_careful: bool,
    /// The lease is lost or the process stops: no more waiting.
    pub(super) stop: CancellationToken,
}

/// How a transaction records what took effect in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// It moves the watermark, from here. For the only lane of a partition.
    Watermark(u64),
    /// It writes into the inbox, in the owner's name.
    Inbox,
    /// It writes into the inbox in nobody's name: there is no owner, and no order.
    Shared,
}

/// A lane that came to the end of its batch, or had to stop.
pub(super) struct Finished {
    pub(super) lane: Lane,
    /// What took effect or is parked, for good.
    pub(super) done: Vec<u64>,
    pub(super) result: Result<(), OwnerError>,
}

/// What became of one attempt at a transaction.
enum Attempt {
    Committed,
    /// Nothing was written. `Reject` and `Retry` both undo the whole transaction.
    Failed(ApplyError),
}

/// What became of several entries at once.
enum Together {
    Applied,
    /// An event of them fails: nothing was written.
    Failed,
    /// The process stops; nothing was written.
    Stopped,
}

/// Why a batch was not committed.
enum BatchError {
    Fenced,
    Apply(ApplyError),
}

impl From<ApplyError> for BatchError {
    fn from(error: ApplyError) -> Self {
        Self::Apply(error)
    }
}

impl From<DbErr> for BatchError {
    fn from(error: DbErr) -> Self {
        Self::Apply(error.into())
    }
}

impl Consumer {
    /// Applies entries in order. A failing event costs only itself: the batch is undone and applied in halves, and so on with the
    /// half that fails, until the bad one is alone and can be parked or waited for. One of 512 is found in 18 transactions.
    pub(super) async fn process(self: Arc<Self>, mut lane: Lane, entries: Vec<Entry>) -> Finished {
        let mut done = Vec::with_capacity(entries.len());
        let result = self.apply(&mut lane, &entries, &mut done).await;
        Finished { lane, done, result }
    }

    async fn apply(
        &self,
        lane: &mut Lane,
        entries: &[Entry],
        done: &mut Vec<u64>,
    ) -> Result<(), OwnerError> {
        // What is still to be applied, the next of it last.
        let mut waiting = vec![entries];
        while let Some(next) = waiting.pop() {
            let outcome = match next {
                [entry] if self.apply_one(lane, entry).await? => Together::Applied,
                [_] => Together::Stopped,
                next => self.apply_together(lane, next).await?,
            };
            match outcome {
                Together::Applied => done.extend(next.iter().map(|entry| entry.sequence)),
                Together::Stopped => return Ok(()),
                Together::Failed => {
                    let (first, second) = next.split_at(next.len() / 2);
                    waiting.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    /// Applies several entries in one transaction, and waits with them for a database that is away.
    async fn apply_together(
        &self,
        lane: &mut Lane,
        entries: &[Entry],
    ) -> Result<Together, OwnerError> {
        for failures in 1..=BATCH_TRIES {
            let Attempt::Failed(error) = self.attempt(lane, entries).await? else {
                return Ok(Together::Applied);
            };
            if !error.is_infrastructure() {
                break;
            }
            if !self.wait(lane, &error, failures, backoff(failures)).await {
                return Ok(Together::Stopped);
            }
        }
        Ok(Together::Failed)
    }

    /// Applies or parks one entry; `false` if the process stops before it could.
    async fn apply_one(&self, lane: &mut Lane, entry: &Entry) -> Result<bool, OwnerError> {
        if lane.is_careful {
            let attempts =
                attempt::begin(self.store.db(), self.subscription, entry.sequence).await?;
            if attempts > attempt::MOST {
                let why = format!("{} attempts ended with the process", attempt::MOST);
                let row = ParkedRow::new(self.subscription, entry, "crash_loop", &why);
                self.park(lane, entry, "crash_loop", row).await?;
                return Ok(true);
            }
        }
        let (mut failures, mut tries) = (0, 0);
        loop {
            let error = match self.attempt(lane, std::slice::from_ref(entry)).await? {
                Attempt::Committed => return Ok(true),
                Attempt::Failed(error) => error,
            };
            let text = chain(&error);
            let goes_on = if error.is_infrastructure() {
                failures += 1;
                self.wait(lane, &error, failures, backoff(failures)).await
            } else if let ApplyError::Reject { reason, source } = error {
                let row = ParkedRow::new(self.subscription, entry, reason, &chain(&*source));
                self.park(lane, entry, reason, row).await?;
                return Ok(true);
            } else if tries < INLINE_TRIES {
                tries += 1;
                self.wait(lane, &error, tries, INLINE_PAUSE * tries).await
            } else {
                let row = ParkedRow::new(self.subscription, entry, "retry", &text)
                    .retry_in(park::delay(1));
                self.park(lane, entry, "retry", row).await?;
                return Ok(true);
            };
            if !goes_on {
                return Ok(false);
            }
        }
    }

    /// Waits after a failure; `false` if the process stops meanwhile.
    async fn wait(&self, lane: &Lane, error: &ApplyError, failures: u32, pause: Duration) -> bool {
        let group = self.subscription.group;
        let class = if error.is_infrastructure() { "infrastructure" } else { "handler" };
        counter!("events_retries_total", "group" => group, "class" => class).increment(1);
        if failures == 1 {
            tracing::warn!(group, stream = %self.subscription.key, class, error = chain(error), "events wait");
        }
        tokio::select! {
            () = lane.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// One transaction: the mark first, which is also the fence and the lock, then every event.
    async fn attempt(&self, lane: &mut Lane, entries: &[Entry]) -> Result<Attempt, OwnerError> {
        let Some(last) = entries.last() else { return Ok(Attempt::Committed) };
        let turn = match lane.mark {
            Mark::Watermark(_) => Some(self.turn.lock().await),
            Mark::Inbox | Mark::Shared => None,
        };
        let started = Instant::now();
        let work = match self.store.begin().await {
            Ok(work) => work,
            Err(error) => return Ok(Attempt::Failed(ApplyError::Retry(Box::new(error)))),
        };
        let applied = match self.apply_all(&work, lane, entries, last.sequence).await {
            Ok(applied) => applied,
            Err(BatchError::Fenced) => return Err(OwnerError::Fenced),
            Err(BatchError::Apply(error)) => {
                if let Err(error) = work.rollback().await {
                    tracing::debug!(error = chain(&error), "rolled back by losing the connection");
                }
                return Ok(Attempt::Failed(error));
            }
        };
        match work.commit().await {
            Ok(()) => (),
            // Such as a deferred constraint: the server refused, so nothing was written.
            Err(error) if !is_transient(&error) => return Ok(Attempt::Failed(error.into())),
            // A commit whose answer was lost may have happened: only the database can tell.
            Err(error) => return Err(error.into()),
        }
        drop(turn);
        if let Mark::Watermark(at) = &mut lane.mark {
            *at = last.sequence;
        }
        histogram!("events_handler_seconds", "group" => self.subscription.group)
            .record(started.elapsed().as_secs_f64());
        self.count(lane, &applied);
        Ok(Attempt::Committed)
    }

    async fn apply_all(
        &self,
        work: &UnitOfWork,
        lane: &Lane,
        entries: &[Entry],
        last: u64,
    ) -> Result<Outcome, BatchError> {
        let is_new = self.mark(work, lane, entries, last).await?;
        let mut blocked = self.blocked(work, lane, entries).await?;
        let mut outcome = Outcome::default();
        let mut due = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| is_new(entry.sequence)) {
            if let Some((_, aggregate)) = entry.aggregate()
                && blocked.contains(&aggregate)
            {
                let why = "an earlier event of this aggregate is parked";
                park::insert(work, &ParkedRow::new(self.subscription, entry, "behind", why))
                    .await?;
                outcome.parked.push("behind");
                continue;
            }
            match entry.decode(self.subscription.key) {
                Ok(event) => due.push(event),
                Err(error) => {
                    let row =
                        ParkedRow::new(self.subscription, entry, "undecodable", &chain(&error));
                    park::insert(work, &row).await?;
                    tracing::error!(
                        group = self.subscription.group, stream = %self.subscription.key, sequence = entry.sequence,
                        error = chain(&error), "entry parked"
                    );
                    if !matches!(lane.mark, Mark::Shared) {
                        blocked.extend(entry.aggregate().map(|(_, aggregate)| aggregate));
                    }
                    outcome.parked.push("undecodable");
                }
            }
        }
        if !due.is_empty() {
            handle(&*self.handler, work, &due).await?;
        }
        outcome.applied.extend(due.iter().map(|event| event.occurred_at));
        if lane.is_careful {
            for entry in entries {
                attempt::end(work.txn(), self.subscription, entry.sequence).await?;
            }
        }
        Ok(outcome)
    }

    /// Records what this transaction does, in the owner's name. Says which of the entries were not recorded before.
    async fn mark(
        &self,
        work: &UnitOfWork,
        lane: &Lane,
        entries: &[Entry],
        last: u64,
    ) -> Result<impl Fn(u64) -> bool + use<>, BatchError> {
        let mut known: HashSet<u64> = HashSet::new();
        match lane.mark {
            Mark::Watermark(from) => {
                let (txn, subscription) = (work.txn(), self.subscription);
                if !fence::move_watermark(txn, subscription, lane.epoch, from, last).await? {
                    return Err(BatchError::Fenced);
                }
            }
            Mark::Inbox | Mark::Shared => {
                let all: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
                let (txn, subscription) = (work.txn(), self.subscription);
                let noted = if let Mark::Shared = lane.mark {
                    fence::note_shared(txn, subscription, lane.epoch, &all).await?
                } else {
                    fence::note(txn, subscription, lane.epoch, &all).await?
                };
                let Some(noted) = noted else { return Err(BatchError::Fenced) };
                if noted.len() < all.len() {
                    let duplicates = (all.len() - noted.len()) as u64;
                    counter!("events_handled_total", "outcome" => "duplicate")
                        .increment(duplicates);
                    known.extend(all);
                    for sequence in noted {
                        known.remove(&sequence);
                    }
                }
            }
        }
        Ok(move |sequence| !known.contains(&sequence))
    }

    /// The aggregates of this batch that have parked events: their later events queue up behind.
    async fn blocked(
        &self,
        work: &UnitOfWork,
        lane: &Lane,
        entries: &[Entry],
    ) -> Result<HashSet<Uuid>, BatchError> {
        // Without order nothing waits behind anything.
        if !lane.parked.any() || matches!(lane.mark, Mark::Shared) {
            return Ok(HashSet::new());
        }
        let here: Vec<Uuid> =
            entries.iter().filter_map(|entry| entry.aggregate().map(|(_, id)| id)).collect();
        Ok(park::blocked(work.txn(), self.subscription.group, &here).await?)
    }

    /// Sets one event aside and moves on, in one transaction. If that fails nothing moves on.
    async fn park(
        &self,
        lane: &mut Lane,
        entry: &Entry,
        reason: &'static str,
        row: ParkedRow,
    ) -> Result<(), OwnerError> {
        let work = self.store.begin().await?;
        let entries = std::slice::from_ref(entry);
        match self.mark(&work, lane, entries, entry.sequence).await {
            Ok(is_new) if is_new(entry.sequence) => (),
            // Another reader has come to an end with it meanwhile.
            Ok(_) => return Ok(()),
            Err(BatchError::Fenced) => return Err(OwnerError::Fenced),
            Err(BatchError::Apply(error)) => {
                return Err(OwnerError::Storage(DbErr::Custom(chain(&error))));
            }
        }
        park::insert(&work, &row).await?;
        if lane.is_careful {
            attempt::end(work.txn(), self.subscription, entry.sequence).await?;
        }
        work.commit().await?;
        if let Mark::Watermark(at) = &mut lane.mark {
            *at = entry.sequence;
        }
        self.count(lane, &Outcome { applied: Vec::new(), parked: vec![reason] });
        tracing::error!(
            group = self.subscription.group, stream = %self.subscription.key, sequence = entry.sequence, reason,
            error = row.error(), "event parked"
        );
        Ok(())
    }

    /// The figures of a transaction, after its commit.
    fn count(&self, lane: &Lane, Outcome { applied, parked }: &Outcome) {
        let group = self.subscription.group;
        counter!("events_handled_total", "outcome" => "applied").increment(applied.len() as u64);
        let now = self.store.clock().now();
        let delay = histogram!("events_e2e_seconds", "group" => group);
        for occurred_at in applied {
            delay.record((now - occurred_at).to_std().unwrap_or(Duration::ZERO).as_secs_f64());
        }
        if parked.is_empty() {
            return;
        }
        // Before the next batch of this lane asks.
        lane.parked.note();
        counter!("events_handled_total", "outcome" => "parked").increment(parked.len() as u64);
        for reason in parked {
            if *reason == "unknown_version" {
                counter!("events_unknown_version_total", "group" => group).increment(1);
            }
            counter!("events_parked_total", "group" => group, "reason" => *reason).increment(1);
        }
    }
}

/// What a transaction did.
#[derive(Default)]
struct Outcome {
    /// When each of the applied events happened.
    applied: Vec<chrono::DateTime<chrono::Utc>>,
    /// Why each of the parked ones is parked.
    parked: Vec<&'static str>,
}
