//! Replaying the service's own events, for a read model that moves in the transactions that record them.
//!
//! Positions are given before the commit, so an event may appear at a lower position than one that was read already. Those
//! places are kept as holes, and asked for again, until every transaction that may fill them has ended. Events of one
//! aggregate are in order all the same: a later one can be recorded only after the earlier one was committed.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use sea_orm::{DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use shared_schemas::Event;

use super::{
    RebuildError,
    holes::Holes,
    replay::{Precision, Replay, Replayable, Step, apply},
};
use crate::{ApplyError, EventStore, InlineProjection};

/// Positions per page.
const PAGE: i64 = 1_000;

/// A read model of the service's own events.
pub(crate) struct OwnReadModel<E> {
    pub(crate) store: EventStore,
    pub(crate) read_model: Arc<dyn InlineProjection<E>>,
}

impl<E: Event> Replayable for OwnReadModel<E> {
    fn name(&self) -> &'static str {
        E::CATEGORY
    }

    fn tables(&self) -> &'static [&'static str] {
        self.read_model.tables()
    }

    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        self.read_model.not_derived()
    }

    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        self.read_model.swept()
    }

    fn replay(&self) -> Result<Box<dyn Replay>, RebuildError> {
        Ok(Box::new(OwnReplay {
            store: self.store.clone(),
            read_model: Arc::clone(&self.read_model),
            after: 0,
            holes: Holes::default(),
            barrier: None,
        }))
    }
}

struct OwnReplay<E> {
    store: EventStore,
    read_model: Arc<dyn InlineProjection<E>>,
    /// The last position that was read.
    after: i64,
    holes: Holes,
    barrier: Option<Barrier>,
}

/// Once these writers have ended, no event appears any more up to this position.
#[derive(Clone)]
struct Barrier {
    position: i64,
    writers: HashSet<String>,
}

#[derive(FromQueryResult)]
struct Writer {
    writer: String,
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

#[async_trait]
impl<E: Event> Replay for OwnReplay<E> {
    async fn total(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let category = E::CATEGORY;
        let count = Count::find_by_statement(raw_sql!(
            Postgres,
            "SELECT count(*) AS n FROM event WHERE aggregate_type = {category}"
        ))
        .one(txn)
        .await?;
        Ok(count.and_then(|count| u64::try_from(count.n).ok()).unwrap_or(0))
    }

    /// Whoever records an event writes to the live tables in the same transaction: locking them is enough.
    async fn fence(&self, _: &DatabaseTransaction) -> Result<(), DbErr> {
        Ok(())
    }

    async fn step(
        &mut self,
        txn: &DatabaseTransaction,
        _: Precision,
    ) -> Result<Step, RebuildError> {
        // Before the page: what has ended by now is visible to it.
        let settled = self.settled(txn).await?;
        let page =
            self.store.page_at(txn, E::CATEGORY, self.holes.to_json(), self.after, PAGE).await?;
        let (mut applied, mut new) = (0, 0);
        for (position, event) in page {
            if position > self.after {
                self.holes.pass(self.after, position);
                self.after = position;
                new += 1;
            } else {
                self.holes.fill(position);
            }
            let Some(event) = event else { continue };
            let recorded = event.open::<E>().map_err(ApplyError::from);
            let model = &self.read_model;
            apply(&event, async {
                match recorded? {
                    Some(recorded) => Ok(model.apply(txn, &recorded).await?),
                    None => {
                        Err(ApplyError::reject("unknown_type", "this build does not know the type"))
                    }
                }
            })
            .await?;
            applied += 1;
        }
        if let Some(position) = settled {
            self.holes.settle(position);
            self.barrier = None;
        }
        Ok(Step { applied, is_current: new < PAGE })
    }

    fn copy(&self) -> Box<dyn Replay> {
        Box::new(Self {
            store: self.store.clone(),
            read_model: Arc::clone(&self.read_model),
            after: self.after,
            holes: self.holes.clone(),
            barrier: self.barrier.clone(),
        })
    }
}

impl<E: Event> OwnReplay<E> {
    /// Up to where nothing can appear any more, if that has become known. A transaction locks the table of events before it
    /// draws a position, and keeps the lock to its end: one that could fill a hole is among the writers, or has ended.
    async fn settled(&mut self, txn: &DatabaseTransaction) -> Result<Option<i64>, DbErr> {
        if self.holes.is_empty() {
            self.barrier = None;
            return Ok(None);
        }
        let writers = Writer::find_by_statement(raw_sql!(
            Postgres,
            "SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
               WHERE locktype = 'relation' AND relation = 'event'::regclass AND mode = 'RowExclusiveLock' AND granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ))
        .all(txn)
        .await?;
        let writers: HashSet<String> = writers.into_iter().map(|row| row.writer).collect();
        let barrier = self
            .barrier
            .get_or_insert_with(|| Barrier { position: self.after, writers: writers.clone() });
        Ok(barrier.writers.is_disjoint(&writers).then_some(barrier.position))
    }
}
