//! Consumers: one owner per consumer group and partition, effects and watermark in one transaction.
//!
//! An owner reads a batch, applies it in order in one transaction together with the watermark, commits, and only then
//! acknowledges. Whatever interrupts it, the next owner begins at the watermark: what was committed is not applied again,
//! what was not committed is. Sequence numbers are dense, so the watermark is an exact inbox for ever, whatever Redis
//! redelivers and however late.

mod batch;
mod group;
mod owner;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use fred::clients::Client;
use futures_util::FutureExt;
use shared_schemas::Service;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    ApplyError, EventStore, Projection, Reactor, RecordedEvent, UnitOfWork,
    error::{chain, panic_text},
    lease::{Leases, Subscription},
    redis::{backoff, close},
};

/// How often a process asks for a partition that another one holds.
const ACQUIRE: Duration = Duration::from_millis(500);

/// What a consumer group does with an event: a projection or a reactor.
#[async_trait]
pub(crate) trait Handler: Send + Sync {
    fn group(&self) -> &'static str;
    fn reads(&self) -> &'static [Service];
    fn tables(&self) -> &'static [&'static str];
    async fn handle(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError>;
}

/// Calls a handler. One that panics has a bug with this event, not with the others.
pub(crate) async fn handle(
    handler: &dyn Handler,
    work: &UnitOfWork,
    event: &RecordedEvent,
) -> Result<(), ApplyError> {
    AssertUnwindSafe(handler.handle(work, event)).catch_unwind().await.unwrap_or_else(|panic| {
        Err(ApplyError::reject("panic", format!("the handler panicked: {}", panic_text(&*panic))))
    })
}

pub(crate) struct ProjectionHandler<P>(pub(crate) P);

#[async_trait]
impl<P: Projection> Handler for ProjectionHandler<P> {
    fn group(&self) -> &'static str {
        self.0.group()
    }

    fn reads(&self) -> &'static [Service] {
        self.0.reads()
    }

    fn tables(&self) -> &'static [&'static str] {
        self.0.tables()
    }

    async fn handle(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.0.apply(work.txn(), event).await
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

    /// A reactor has no tables to rebuild: what it did, it did once.
    fn tables(&self) -> &'static [&'static str] {
        &[]
    }

    async fn handle(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.0.react(work, event).await
    }
}

/// One consumer group on one partition, in one process.
pub(crate) struct Consumer {
    pub(crate) subscription: Subscription,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) store: EventStore,
    pub(crate) leases: Arc<Leases>,
    /// Used by nothing else: a blocking read stalls every command behind it.
    pub(crate) redis: Client,
    /// Held while a batch of this group is applied. The partitions of a group write the same rows; applying one batch at a
    /// time avoids deadlocks inside a process, and those between processes are retried.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Consumer {
    /// Waits for the partition, works on it, gives it back: until told to stop.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let pause = match self.leases.acquire(self.subscription).await {
                Ok(Some(ownership)) => {
                    failures = 0;
                    let stop = shutdown.child_token();
                    self.own(ownership, &stop).await;
                    if let Err(error) = self.leases.release(self.subscription).await {
                        tracing::info!(
                            error = chain(&error),
                            "lease not released; it ends by itself"
                        );
                    }
                    ACQUIRE
                }
                Ok(None) => ACQUIRE,
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(
                            error = chain(&error),
                            group = self.subscription.group,
                            "partition cannot be acquired"
                        );
                    }
                    backoff(failures)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(pause) => (),
            }
        }
        close(&self.redis).await;
    }
}
