//! What a rebuild and an audit replay.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures_util::FutureExt;
use sea_orm::{DatabaseTransaction, DbErr};

use super::RebuildError;
use crate::{ApplyError, RecordedEvent, error::panic_text};

/// How exactly a step has to say what the live tables say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Roughly: something may be in effect that comes in a later step.
    Following,
    /// To the event: the transaction reads one snapshot, or nobody else can move the live tables.
    Exact,
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Events applied.
    pub(crate) applied: u64,
    /// Whether everything is applied that was in effect when the step looked.
    pub(crate) is_current: bool,
}

/// A position in the replay of one projection's events. A step changes it before its transaction ends, so one that is rolled
/// back leaves it unusable: whoever goes on takes a copy before.
#[async_trait]
pub(crate) trait Replay: Send + Sync {
    /// How many events are in effect now, for those who wait; an estimate.
    async fn total(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr>;

    /// Keeps the live tables where they are until the transaction ends, as far as that takes more than locking them.
    async fn fence(&self, txn: &DatabaseTransaction) -> Result<(), DbErr>;

    /// Applies the next page of events that the live tables have in effect.
    async fn step(
        &mut self,
        txn: &DatabaseTransaction,
        precision: Precision,
    ) -> Result<Step, RebuildError>;

    /// The same position again.
    fn copy(&self) -> Box<dyn Replay>;
}

/// A projection, as it is rebuilt and audited.
pub(crate) trait Replayable: Send + Sync {
    /// What operators call it: its category, or its consumer group.
    fn name(&self) -> &'static str;
    /// Its tables.
    fn tables(&self) -> &'static [&'static str];
    /// See [`Projection::not_derived`](crate::Projection::not_derived).
    fn not_derived(&self) -> &'static [(&'static str, &'static str)];
    /// See [`Projection::swept`](crate::Projection::swept).
    fn swept(&self) -> &'static [(&'static str, &'static str)];
    /// A replay that has applied nothing.
    ///
    /// # Errors
    ///
    /// [`RebuildError::Redis`] if the URL is not a Redis URL.
    fn replay(&self) -> Result<Box<dyn Replay>, RebuildError>;
}

/// Calls a projection; a panic is an error of the event's.
pub(super) async fn apply(
    event: &RecordedEvent,
    applied: impl Future<Output = Result<(), ApplyError>> + Send,
) -> Result<(), RebuildError> {
    let outcome = AssertUnwindSafe(applied).catch_unwind().await.unwrap_or_else(|panic| {
        let text = format!("the projection panicked: {}", panic_text(&*panic));
        Err(ApplyError::reject("panic", text))
    });
    outcome.map_err(|source| RebuildError::Apply {
        event_id: event.id.0,
        aggregate_type: event.aggregate_type.clone(),
        aggregate_id: event.aggregate_id,
        source,
    })
}
