//! Auditing: is what the tables of a projection say what its events say?
//!
//! The events are replayed into shadow tables, slowly. Then one transaction takes a snapshot in which live rows, watermarks
//! and events belong to the same moment, replays to exactly that moment, and compares all rows. So a projection that is in use
//! never looks damaged, and one that is damaged is found within the interval, with the keys of its rows.

mod compare;
mod report;
mod schedule;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::{
    AccessMode, DatabaseTransaction, DbErr, FromQueryResult, IsolationLevel, TransactionTrait,
    raw_sql,
};
use tokio_util::sync::CancellationToken;

pub use report::{AuditError, AuditReport, DriftKind, DriftRow, NAMED_ROWS, TableDrift};
pub(crate) use schedule::{Auditor, observe, record};

use crate::{
    EventStore,
    rebuild::{Durability, Precision, Replay, Replayable, Shadow, Turn},
};

/// How an audit goes about its work.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Events per second, at most; none for as fast as it goes.
    pub(crate) rate: Option<u32>,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

/// Compares a projection with a replay of its events.
///
/// # Errors
///
/// [`AuditError::Busy`] if it is being rebuilt or audited, or was about to be rebuilt: an audit gives way.
pub(crate) async fn run(
    store: &EventStore,
    projection: &dyn Replayable,
    pace: &Pace,
) -> Result<AuditReport, AuditError> {
    let turn = Turn::try_take(store.db(), projection.name()).await?.ok_or(AuditError::Busy)?;
    let shadow = Shadow::create(store, projection.tables(), Durability::Unlogged).await?;
    let mut audit = Audit {
        store,
        projection,
        shadow: &shadow,
        turn: &turn,
        replay: projection.replay()?,
        pace,
        started: Instant::now(),
        events: 0,
    };
    let outcome = audit.run().await;
    if let Err(error) = shadow.drop(store).await {
        tracing::debug!(
            error = crate::error::chain(&error),
            "shadow tables are left to the next audit"
        );
    }
    turn.end().await;
    outcome
}

struct Audit<'a> {
    store: &'a EventStore,
    projection: &'a dyn Replayable,
    shadow: &'a Shadow,
    turn: &'a Turn,
    replay: Box<dyn Replay>,
    pace: &'a Pace,
    started: Instant,
    events: u64,
}

impl Audit<'_> {
    async fn run(&mut self) -> Result<AuditReport, AuditError> {
        self.follow().await?;
        self.compare().await
    }

    /// Replays until the shadow was current a moment ago. Where others record faster than it replays, the comparison has to do the rest.
    async fn follow(&mut self) -> Result<(), AuditError> {
        let mut enough = None;
        loop {
            let page = Instant::now();
            let work = self.store.begin().await?;
            let enough = match enough {
                Some(enough) => enough,
                None => *enough.insert(self.replay.total(work.txn()).await?.saturating_mul(2)),
            };
            let written = self.shadow.enter(work.txn()).await?;
            let step = self.replay.step(work.txn(), Precision::Following).await?;
            self.shadow.check_writes(work.txn(), &written).await?;
            work.commit().await?;
            self.events += step.applied;
            if self.turn.is_wanted().await? {
                return Err(AuditError::Busy);
            }
            if step.is_current || self.events > enough {
                return Ok(());
            }
            let due = self.pace.rate.map_or(Duration::ZERO, |rate| {
                let applied = u32::try_from(step.applied).unwrap_or(u32::MAX);
                Duration::from_secs(1) * applied / rate.max(1)
            });
            tokio::select! {
                () = self.pace.stop.cancelled() => return Err(AuditError::Stopped),
                () = tokio::time::sleep(due.saturating_sub(page.elapsed())) => (),
            }
        }
    }

    /// Replays to the moment of a snapshot, and compares in it.
    async fn compare(&mut self) -> Result<AuditReport, AuditError> {
        let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadWrite);
        let txn = self.store.db().begin_with_config(Some(isolation), Some(access)).await?;
        // Before the snapshot: a table that changed places after it would look empty.
        self.shadow.hold_live(&txn).await?;
        let written = self.shadow.enter(&txn).await?;
        let audited_at = moment(&txn).await?;
        loop {
            let step = self.replay.step(&txn, Precision::Exact).await?;
            self.events += step.applied;
            if step.is_current {
                break;
            }
        }
        self.shadow.check_writes(&txn, &written).await?;
        let (mut rows, mut drift) = (0, Vec::new());
        for table in self.projection.tables() {
            let comparison = compare::Comparison {
                txn: &txn,
                shadow: self.shadow,
                projection: self.projection,
                table,
            };
            rows += comparison.rows().await?;
            drift.extend(comparison.drift().await?);
        }
        txn.rollback().await?;
        Ok(AuditReport {
            projection: self.projection.name().to_owned(),
            audited_at,
            seconds: self.started.elapsed().as_secs_f64(),
            events: self.events,
            rows,
            drift,
        })
    }
}

#[derive(FromQueryResult)]
struct Moment {
    now: DateTime<Utc>,
}

/// When the transaction began, by the clock that watches over the interval.
async fn moment(txn: &DatabaseTransaction) -> Result<DateTime<Utc>, DbErr> {
    let moment =
        Moment::find_by_statement(raw_sql!(Postgres, "SELECT now() AS now")).one(txn).await?;
    moment.map(|moment| moment.now).ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))
}
