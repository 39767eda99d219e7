//! Reactions: what a service does because something happened elsewhere.

use async_trait::async_trait;
use shared_schemas::Service;

use crate::{ApplyError, Concurrency, RecordedEvent, UnitOfWork};

/// Turns events into commands on the service's own aggregates, or into jobs.
///
/// It runs in the transaction that moves the watermark, so what it records is recorded exactly once. It is never
/// replayed: a rebuild concerns projections alone.
#[async_trait]
pub trait Reactor: Send + Sync + 'static {
    /// The consumer group, `<service>.<what it does>`.
    fn group(&self) -> &'static str;

    /// Whose streams it reads.
    fn reads(&self) -> &'static [Service];

    /// How many of its events may be in hand at once.
    fn concurrency(&self) -> Concurrency {
        Concurrency::Serial
    }

    /// Reacts to one event. What touches the outside world is not done here but asked for with [`UnitOfWork::enqueue`].
    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError>;

    /// Reacts to many events, those of one aggregate in their order: the same as one after the other, and in fewer statements
    /// where somebody has written them. If it fails, nothing of it took effect, and half of
    /// them are reacted to at a time, and so on, until the one that fails is alone.
    async fn react_all(
        &self,
        work: &UnitOfWork,
        events: &[RecordedEvent],
    ) -> Result<(), ApplyError> {
        for event in events {
            self.react(work, event).await?;
        }
        Ok(())
    }
}
