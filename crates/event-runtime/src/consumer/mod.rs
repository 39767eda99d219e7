//! Consumers: one owner per consumer group and partition, effects and watermark in one transaction.
//!
//! An owner reads a batch, applies it in order in one transaction together with the watermark, commits, and only then
//! acknowledges. Whatever interrupts it, the next owner begins at the watermark: what was committed is not applied again,
//! what was not committed is. Sequence numbers are dense, so the watermark is an exact inbox for ever, whatever Redis
//! redelivers and however late.

pub(crate) mod acquire;
mod attempt;
mod batch;
mod catch_up;
mod concurrency;
mod error;
mod fence;
pub(crate) mod generation;
mod group;
mod lanes;
mod observe;
mod owner;
mod parked;
mod progress;
pub(crate) mod roster;
mod shared;
mod slots;
mod source;
mod turn;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use shared_schemas::Service;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

pub use self::concurrency::Concurrency;
use crate::{
    ApplyError, EventStore, Projection, Reactor, RecordedEvent, UnitOfWork,
    error::panic_text,
    layout::Watch,
    lease::{Leases, Subscription},
    redis,
    stream::Entry,
};

/// What a consumer group does with an event: a projection or a reactor.
#[async_trait]
pub(crate) trait Handler: Send + Sync {
    fn group(&self) -> &'static str;
    fn reads(&self) -> &'static [Service];
    fn categories(&self) -> &'static [&'static str];
    fn concurrency(&self) -> Concurrency;
    fn linger(&self) -> Duration;
    async fn handle(&self, work: &UnitOfWork, events: &[RecordedEvent]) -> Result<(), ApplyError>;
}

/// Calls a handler. One that panics has a bug with these events, not with the others.
pub(crate) async fn handle(
    handler: &dyn Handler,
    work: &UnitOfWork,
    events: &[RecordedEvent],
) -> Result<(), ApplyError> {
    AssertUnwindSafe(handler.handle(work, events)).catch_unwind().await.unwrap_or_else(|panic| {
        Err(ApplyError::reject("panic", format!("the handler panicked: {}", panic_text(&*panic))))
    })
}

pub(crate) struct ProjectionHandler<P>(pub(crate) Arc<P>);

#[async_trait]
impl<P: Projection> Handler for ProjectionHandler<P> {
    fn group(&self) -> &'static str {
        self.0.group()
    }

    fn reads(&self) -> &'static [Service] {
        self.0.reads()
    }

    fn categories(&self) -> &'static [&'static str] {
        self.0.categories()
    }

    fn concurrency(&self) -> Concurrency {
        self.0.concurrency()
    }

    fn linger(&self) -> Duration {
        self.0.linger()
    }

    async fn handle(&self, work: &UnitOfWork, events: &[RecordedEvent]) -> Result<(), ApplyError> {
        for event in events {
            self.0.apply(work.txn(), event).await?;
        }
        Ok(())
    }
}

pub(crate) struct ReactorHandler<R>(pub(crate) R);

#[async_trait]
impl<R: Reactor> Handler for ReactorHandler<R> {
    fn group(&self) -> &'static str {
        self.0.group()
    }

    fn reads(&self) -> &'static [Service] {
        self.0.reads()
    }

    fn categories(&self) -> &'static [&'static str] {
        self.0.categories()
    }

    fn concurrency(&self) -> Concurrency {
        self.0.concurrency()
    }

    fn linger(&self) -> Duration {
        self.0.linger()
    }

    async fn handle(&self, work: &UnitOfWork, events: &[RecordedEvent]) -> Result<(), ApplyError> {
        match events {
            [event] => self.0.react(work, event).await,
            events => self.0.react_all(work, events).await,
        }
    }
}

/// One consumer group on one partition, in one process.
pub(crate) struct Consumer {
    pub(crate) subscription: Subscription,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) store: EventStore,
    pub(crate) leases: Arc<Leases>,
    /// What the service that is read has announced.
    pub(crate) layout: Watch,
    /// For what must not wait behind a blocking read.
    pub(crate) commands: Arc<redis::Shared>,
    /// Where a reader of its own connects to while it owns the partition.
    pub(crate) redis_url: String,
    /// Held while a batch of a serial group is applied. The partitions of a group write the same rows; applying one batch at a
    /// time avoids deadlocks inside a process. Those between processes are retried, and those with a redrive that was called for.
    pub(crate) turn: Arc<Mutex<()>>,
    pub(crate) tasks: TaskTracker,
}

impl Consumer {
    /// Whether the handler takes an entry. One that does not say what it is about is for it to refuse.
    fn takes(&self, entry: &Entry) -> bool {
        let categories = self.handler.categories();
        categories.is_empty()
            || entry.aggregate().is_none_or(|(category, _)| categories.contains(&category))
    }

    /// Whether it is read without an owner.
    fn is_shared(&self) -> bool {
        matches!(self.handler.concurrency(), Concurrency::Shared(_))
    }
}
