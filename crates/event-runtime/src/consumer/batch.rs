//! Applying a batch: one transaction for all of it, and one by one when an event of it fails.

use std::{collections::HashSet, time::Instant};

use metrics::{counter, histogram};
use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Consumer, handle, owner::OwnerError};
use crate::{
    ApplyError, UnitOfWork,
    error::chain,
    lease::{IDLE_TIMEOUT, Ownership},
    park::{self, ParkedRow},
    redis::backoff,
    store::{to_bigint, to_smallint},
    stream::Entry,
};

/// How far a batch came.
pub(super) enum Applied {
    All,
    /// The process stops or the lease is lost, in the middle of waiting to try again.
    Stopped,
}

/// What became of one attempt at a transaction.
enum Attempt {
    Committed,
    /// Nothing was written. `Reject` and `Retry` both undo the whole transaction.
    Failed(ApplyError),
}

impl Consumer {
    /// Applies consecutive entries after the watermark. A failing event costs only itself: the batch is undone and its
    /// entries are applied one by one, so that the bad one can be parked or waited for.
    pub(super) async fn apply(
        &self,
        ownership: &mut Ownership,
        entries: &[Entry],
        stop: &CancellationToken,
    ) -> Result<Applied, OwnerError> {
        let started = Instant::now();
        if let Attempt::Committed = self.attempt(ownership, entries).await? {
            histogram!("events_handler_seconds", "group" => self.subscription.group)
                .record(started.elapsed().as_secs_f64());
            return Ok(Applied::All);
        }
        for entry in entries {
            let mut failures = 0;
            loop {
                let error = match self.attempt(ownership, std::slice::from_ref(entry)).await? {
                    Attempt::Committed => break,
                    Attempt::Failed(error) => error,
                };
                match error {
                    ApplyError::Reject { reason, source } => {
                        self.park(ownership, entry, reason, &chain(&*source)).await?;
                        break;
                    }
                    ApplyError::Retry(source) => {
                        failures += 1;
                        counter!("events_retries_total", "group" => self.subscription.group)
                            .increment(1);
                        if failures == 1 {
                            tracing::warn!(
                                group = self.subscription.group,
                                sequence = entry.sequence,
                                error = chain(&*source),
                                "event waits"
                            );
                        }
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(Applied::Stopped),
                    () = ownership.lost.cancelled() => return Ok(Applied::Stopped),
                    () = tokio::time::sleep(backoff(failures)) => (),
                }
            }
        }
        Ok(Applied::All)
    }

    /// One transaction: watermark first, which is also the fence and the lock, then every event.
    async fn attempt(
        &self,
        ownership: &mut Ownership,
        entries: &[Entry],
    ) -> Result<Attempt, OwnerError> {
        let Some(last) = entries.last() else { return Ok(Attempt::Committed) };
        let turn = self.turn.lock().await;
        let work = match self.store.begin().await {
            Ok(work) => work,
            Err(error) => return Ok(Attempt::Failed(ApplyError::Retry(Box::new(error)))),
        };
        let outcome = self.apply_all(&work, ownership, entries, last.sequence).await;
        let parked = match outcome {
            Ok(parked) => parked,
            Err(BatchError::Fenced) => return Err(OwnerError::Fenced),
            Err(BatchError::Apply(error)) => {
                if let Err(error) = work.rollback().await {
                    tracing::debug!(error = chain(&error), "rolled back by losing the connection");
                }
                return Ok(Attempt::Failed(error));
            }
        };
        // A commit whose answer was lost may have happened: the next owner reads the watermark, and knows.
        work.commit().await?;
        drop(turn);
        ownership.watermark = last.sequence;
        let applied = entries.len() - parked.len();
        counter!("events_handled_total", "outcome" => "applied").increment(applied as u64);
        counter!("events_handled_total", "outcome" => "parked").increment(parked.len() as u64);
        for reason in parked {
            counter!("events_parked_total", "group" => self.subscription.group, "reason" => reason)
                .increment(1);
        }
        Ok(Attempt::Committed)
    }

    async fn apply_all(
        &self,
        work: &UnitOfWork,
        ownership: &Ownership,
        entries: &[Entry],
        last: u64,
    ) -> Result<Vec<&'static str>, BatchError> {
        self.fence(work, ownership, last).await?;
        let mut blocked: HashSet<Uuid> = self.blocked(work, entries).await?;
        let mut parked = Vec::new();
        for entry in entries {
            if let Some((_, aggregate)) = entry.aggregate()
                && blocked.contains(&aggregate)
            {
                let row = ParkedRow::new(
                    self.subscription,
                    entry,
                    "behind",
                    "an earlier event of this aggregate is parked",
                );
                park::insert(work, &row).await.map_err(ApplyError::from)?;
                parked.push("behind");
                continue;
            }
            match entry.decode(self.subscription.key) {
                Ok(event) => handle(&*self.handler, work, &event).await?,
                Err(error) => {
                    let row =
                        ParkedRow::new(self.subscription, entry, "undecodable", &chain(&error));
                    park::insert(work, &row).await.map_err(ApplyError::from)?;
                    tracing::error!(
                        group = self.subscription.group, stream = %self.subscription.key, sequence = entry.sequence,
                        error = chain(&error), "entry parked"
                    );
                    blocked.extend(entry.aggregate().map(|(_, aggregate)| aggregate));
                    parked.push("undecodable");
                }
            }
        }
        Ok(parked)
    }

    /// Moves the watermark from where this owner left it, under this owner's epoch, or finds that it may not. If the process
    /// is stopped after this, the database ends the transaction in time for the next owner.
    async fn fence(
        &self,
        work: &UnitOfWork,
        ownership: &Ownership,
        to: u64,
    ) -> Result<(), BatchError> {
        let group = self.subscription.group;
        let (service, partition) =
            (self.subscription.key.service.as_str(), to_smallint(self.subscription.key.partition));
        let (from, to, epoch) = (to_bigint(ownership.watermark), to_bigint(to), ownership.epoch);
        let moved = work
            .txn()
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE watermark SET sequence = {to}
                   WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                     AND sequence = {from} AND epoch = {epoch}
                   RETURNING set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true)"
            ))
            .await
            .map_err(ApplyError::from)?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(BatchError::Fenced) }
    }

    /// The aggregates of this batch that have parked events: their later events queue up behind.
    async fn blocked(
        &self,
        work: &UnitOfWork,
        entries: &[Entry],
    ) -> Result<HashSet<Uuid>, BatchError> {
        let here: Vec<Uuid> =
            entries.iter().filter_map(|entry| entry.aggregate().map(|(_, id)| id)).collect();
        let blocked = park::blocked(work.txn(), self.subscription.group, &here).await;
        Ok(blocked.map_err(ApplyError::from)?)
    }

    /// Sets one event aside and moves on, in one transaction.
    async fn park(
        &self,
        ownership: &mut Ownership,
        entry: &Entry,
        reason: &'static str,
        error: &str,
    ) -> Result<(), OwnerError> {
        let work = self.store.begin().await?;
        match self.fence(&work, ownership, entry.sequence).await {
            Ok(()) => (),
            Err(BatchError::Fenced) => return Err(OwnerError::Fenced),
            Err(BatchError::Apply(
                ApplyError::Retry(error) | ApplyError::Reject { source: error, .. },
            )) => {
                return Err(OwnerError::Storage(DbErr::Custom(chain(&*error))));
            }
        }
        park::insert(&work, &ParkedRow::new(self.subscription, entry, reason, error)).await?;
        work.commit().await?;
        ownership.watermark = entry.sequence;
        counter!("events_parked_total", "group" => self.subscription.group, "reason" => reason)
            .increment(1);
        tracing::error!(
            group = self.subscription.group, stream = %self.subscription.key, sequence = entry.sequence, reason, error,
            "event parked"
        );
        Ok(())
    }
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
