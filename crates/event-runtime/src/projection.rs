//! Read models: tables that say what the events say, and can be dropped and made again.

use async_trait::async_trait;
use sea_orm::{DatabaseTransaction, DbErr};
use shared_schemas::{Event, Service};

use crate::{ApplyError, Concurrency, Recorded, RecordedEvent};

/// A service's view of its own events, moved in the transaction that records them.
#[async_trait]
pub trait InlineProjection<E: Event>: Send + Sync + 'static {
    /// The tables it fills, and nobody else; emptied before a rebuild, in this order.
    fn tables(&self) -> &'static [&'static str];

    /// Takes one event into account.
    async fn apply(&self, txn: &DatabaseTransaction, recorded: &Recorded<E>) -> Result<(), DbErr>;
}

/// A service's view of others' events (or of its own, later), moved by a consumer group.
///
/// It gets a transaction and nothing else: a projection cannot touch the outside world, so replaying it is safe.
#[async_trait]
pub trait Projection: Send + Sync + 'static {
    /// The consumer group, `<service>.<slice>`; a new name starts from the beginning.
    fn group(&self) -> &'static str;

    /// Whose streams it reads.
    fn reads(&self) -> &'static [Service];

    /// The tables it fills, and nobody else; emptied before a rebuild, in this order.
    fn tables(&self) -> &'static [&'static str];

    /// How many of its events may be in hand at once.
    fn concurrency(&self) -> Concurrency {
        Concurrency::Serial
    }

    /// Takes one event into account. Called once per event that takes effect, in order per aggregate; events of
    /// different aggregates come in any order.
    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError>;
}
