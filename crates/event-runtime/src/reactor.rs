//! Reactions: what a service does because something happened elsewhere.

use std::time::Duration;

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

    /// The [categories](shared_schemas::Event::CATEGORY) whose events it takes; empty, unless said otherwise, for all of the streams
    /// that it reads. The others pass without a transaction, so a group that takes few events of a busy stream costs little. They may
    /// come all the same, and are ignored then: a [shared](Concurrency::Shared) group notes every event, and a rebuild reads all.
    fn categories(&self) -> &'static [&'static str] {
        &[]
    }

    /// How many of its events may be in hand at once.
    fn concurrency(&self) -> Concurrency {
        Concurrency::Serial
    }

    /// How long the first of its events may wait for others, so that one transaction does for all of them. 0, unless said
    /// otherwise: an event is taken as soon as it is there, and those that come meanwhile are the next batch. A transaction for
    /// every event costs several times as much as one for a few, so whoever need not be quick leaves more of the machine to those
    /// who must. Readers of a [shared](Concurrency::Shared) group never wait.
    fn linger(&self) -> Duration {
        Duration::ZERO
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
