//! Read models: tables that say what the events say, and can be dropped and made again.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{DatabaseTransaction, DbErr};
use shared_schemas::{Event, Service};

use crate::{ApplyError, Concurrency, Recorded, RecordedEvent};

/// A service's view of its own events, moved in the transaction that records them.
#[async_trait]
pub trait InlineProjection<E: Event>: Send + Sync + 'static {
    /// The tables it fills, and nobody else; a rebuild makes them anew beside the live ones. Its statements name no schema.
    fn tables(&self) -> &'static [&'static str];

    /// Columns that do not follow from the events, by table, such as an identity: an audit does not compare them.
    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Rows that are swept when they are old, by table: an SQL condition that is true of every row that may be gone.
    /// An audit does not compare them, and a rebuild brings them back until the next sweep.
    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Takes one event into account.
    async fn apply(&self, txn: &DatabaseTransaction, recorded: &Recorded<E>) -> Result<(), DbErr>;

    /// Takes many events into account, those of one aggregate in their order: the same as one after the other, and in fewer
    /// statements where somebody has written them.
    async fn apply_all(
        &self,
        txn: &DatabaseTransaction,
        recorded: &[Recorded<E>],
    ) -> Result<(), DbErr> {
        for one in recorded {
            self.apply(txn, one).await?;
        }
        Ok(())
    }
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

    /// The tables it fills, and nobody else; a rebuild makes them anew beside the live ones. Its statements name no schema.
    fn tables(&self) -> &'static [&'static str];

    /// The [categories](Event::CATEGORY) whose events it takes; empty, unless said otherwise, for all of the streams that it reads:
    /// as [`Reactor::categories`](crate::Reactor::categories).
    fn categories(&self) -> &'static [&'static str] {
        &[]
    }

    /// How many of its events may be in hand at once.
    fn concurrency(&self) -> Concurrency {
        Concurrency::Serial
    }

    /// How long the first of its events may wait for others, so that one transaction does for all of them: as
    /// [`Reactor::linger`](crate::Reactor::linger).
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// Columns that do not follow from the events, by table, such as an identity: an audit does not compare them.
    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Rows that are swept when they are old, by table: an SQL condition that is true of every row that may be gone.
    /// An audit does not compare them, and a rebuild brings them back until the next sweep.
    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Takes one event into account. Called once per event that takes effect, in order per aggregate; events of
    /// different aggregates come in any order.
    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError>;
}
