//! The parts together: one relay, one consumer per group and partition, one worker per kind of job.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::DbErr;
use shared_schemas::Event;
use tokio::sync::{Mutex, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    ApplyError, EventStore, InlineProjection, JobWorker, Projection, Reactor, RuntimeError,
    catch_up::Server,
    consumer::{Consumer, Handler, ProjectionHandler, ReactorHandler, acquire},
    control::{Listener, Reporter},
    error::chain,
    job,
    lease::{Leases, Subscription},
    metrics,
    park::{self, Redriven},
    rebuild, redis,
    relay::{RedisServer, Relay},
    stream::StreamKey,
    trim::{Retention, Trimmer},
};

/// How often the parked events are counted.
const OBSERVE: Duration = Duration::from_secs(5);

/// Requests for stored events that wait to be answered; those that find no room come again.
const REQUESTS: usize = 256;

/// Makes a read model anew; hides which events it is made of.
#[async_trait]
trait Rebuild: Send + Sync {
    async fn rebuild(&self, store: &EventStore) -> Result<u64, ApplyError>;
}

struct InlineRebuild<E> {
    read_model: Arc<dyn InlineProjection<E>>,
}

#[async_trait]
impl<E: Event> Rebuild for InlineRebuild<E> {
    async fn rebuild(&self, store: &EventStore) -> Result<u64, ApplyError> {
        rebuild::from_store(store, &*self.read_model).await
    }
}

/// Collects what a service does with events.
pub struct RuntimeBuilder {
    store: EventStore,
    redis_url: String,
    handlers: Vec<Arc<dyn Handler>>,
    workers: Vec<Arc<dyn JobWorker>>,
    read_models: HashMap<&'static str, Arc<dyn Rebuild>>,
    retention: Option<Retention>,
}

impl RuntimeBuilder {
    /// A runtime over a store and the Redis at `redis_url`.
    pub fn new(store: EventStore, redis_url: String) -> Self {
        Self {
            store,
            redis_url,
            handlers: Vec::new(),
            workers: Vec::new(),
            read_models: HashMap::new(),
            retention: None,
        }
    }

    /// Lets entries that every registered group has finished leave the streams of this service. Without it, streams grow with
    /// history.
    #[must_use]
    pub fn trim(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Adds a read model of others' events.
    #[must_use]
    pub fn projection(mut self, projection: impl Projection) -> Self {
        self.handlers.push(Arc::new(ProjectionHandler(projection)));
        self
    }

    /// Adds a reaction to others' events.
    #[must_use]
    pub fn reactor(mut self, reactor: impl Reactor) -> Self {
        self.handlers.push(Arc::new(ReactorHandler(reactor)));
        self
    }

    /// Adds a worker for one kind of job.
    #[must_use]
    pub fn worker(mut self, worker: impl JobWorker) -> Self {
        self.workers.push(Arc::new(worker));
        self
    }

    /// Names a read model of the service's own events, so that it can be rebuilt under the name of its category.
    #[must_use]
    pub fn read_model<E: Event>(mut self, read_model: impl InlineProjection<E>) -> Self {
        self.read_models
            .insert(E::CATEGORY, Arc::new(InlineRebuild { read_model: Arc::new(read_model) }));
        self
    }

    /// The runtime, not yet running.
    pub fn build(self) -> Runtime {
        let Self { store, redis_url, handlers, workers, read_models, retention } = self;
        Runtime { store, redis_url, handlers, workers, read_models, retention }
    }
}

/// Everything that moves events in one process of a service.
pub struct Runtime {
    store: EventStore,
    redis_url: String,
    handlers: Vec<Arc<dyn Handler>>,
    workers: Vec<Arc<dyn JobWorker>>,
    read_models: HashMap<&'static str, Arc<dyn Rebuild>>,
    retention: Option<Retention>,
}

/// Why an operator's command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no such consumer group or read model here.
    #[error("`{name}` is none of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
    /// An event could not be applied.
    #[error("an event could not be applied")]
    Apply(#[from] ApplyError),
}

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// The read model was made anew from this many events.
    FromStore(u64),
    /// The projection starts over; its consumer group reads the streams from the beginning.
    Restarted,
}

impl Runtime {
    /// The store behind it.
    pub fn store(&self) -> &EventStore {
        &self.store
    }

    /// Looks whether Redis can be trusted with streams, to be asked before [`start`](Self::start). One that does not answer
    /// within `patience`, or does not say, is not refused: the relay looks again, and `events_redis_degraded` tells.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Evicts`] if it removes keys when its memory is short. [`RuntimeError::Redis`] if the URL is not a
    /// Redis URL.
    pub async fn check_redis(&self, patience: Duration) -> Result<(), RuntimeError> {
        let redis = redis::connect(&self.redis_url)?;
        let server = tokio::time::timeout(patience, RedisServer::ask(&redis)).await;
        let verdict = match server {
            Ok(Ok(server)) => server.acceptable(),
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "redis does not say how it is configured");
                Ok(())
            }
            Err(_) => Ok(()),
        };
        redis::close(&redis).await;
        verdict
    }

    /// Starts relay, consumers and workers. They stop when `shutdown` is cancelled, each after what it has in hand.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Redis`] if the URL is not a Redis URL. A Redis that does not answer is waited for, not an error.
    pub fn start(
        &self,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<(), RuntimeError> {
        metrics::describe();
        let relay =
            Relay::new(self.store.clone(), redis::connect(&self.redis_url)?).retain(self.retention);
        let trimmer = Trimmer::new(
            self.store.clone(),
            redis::connect(&self.redis_url)?,
            self.retention,
            relay.pressure(),
        );
        tasks.spawn(relay.run(shutdown.clone()));
        tasks.spawn(trimmer.run(shutdown.clone()));
        let (catch_up, requests) = mpsc::channel(REQUESTS);
        let listener =
            Listener::new(self.store.clone(), redis::connect(&self.redis_url)?, catch_up);
        tasks.spawn(listener.run(shutdown.clone()));
        let server = Server::new(self.store.clone(), redis::connect(&self.redis_url)?, requests);
        tasks.spawn(server.run(shutdown.clone()));
        if !self.handlers.is_empty() {
            let groups = self.handlers.iter().map(|handler| handler.group()).collect();
            let redis = redis::connect(&self.redis_url)?;
            let reporter = Reporter::new(self.store.clone(), redis, groups);
            tasks.spawn(reporter.run(shutdown.clone()));
        }

        let partitions = usize::from(self.store.partitions());
        let shared = self
            .handlers
            .iter()
            .map(|handler| (handler.group(), handler.reads().len() * partitions));
        let leases = Arc::new(Leases::new(self.store.db().clone(), shared.collect()));
        let commands = Arc::new(redis::Shared::connect(&self.redis_url)?);
        let mut consumers = Vec::new();
        for handler in &self.handlers {
            let turn = Arc::new(Mutex::new(()));
            for service in handler.reads() {
                for partition in 0..self.store.partitions() {
                    consumers.push(Arc::new(Consumer {
                        subscription: Subscription {
                            group: handler.group(),
                            key: StreamKey::new(*service, partition),
                        },
                        handler: Arc::clone(handler),
                        store: self.store.clone(),
                        leases: Arc::clone(&leases),
                        commands: Arc::clone(&commands),
                        redis_url: self.redis_url.clone(),
                        turn: Arc::clone(&turn),
                        tasks: tasks.clone(),
                    }));
                }
            }
        }
        let acquisition =
            acquire::run(consumers, Arc::clone(&leases), tasks.clone(), shutdown.clone());
        tasks.spawn(acquisition);
        for worker in &self.workers {
            tasks.spawn(job::work(self.store.clone(), Arc::clone(worker), shutdown.clone()));
        }

        // Leases are kept until the consumers have finished, so that nobody takes over what is still in hand.
        let keeper = shutdown.clone();
        tasks.spawn(async move {
            leases.keep(keeper).await;
            redis::close(commands.client()).await;
        });
        tasks.spawn(observe(self.store.clone(), shutdown.clone()));
        Ok(())
    }

    /// Applies the parked events of one group: those of one aggregate in order, or those that belong to none.
    ///
    /// # Errors
    ///
    /// [`OperatorError::Unknown`] for a group that is not of this service.
    pub async fn redrive(
        &self,
        group: &str,
        aggregate: Option<Uuid>,
    ) -> Result<Redriven, OperatorError> {
        let handler = self.handler(group)?;
        Ok(park::redrive(&self.store, &**handler, aggregate).await?)
    }

    /// Makes a read model anew: named by its category for the service's own, by its group for one of others' events.
    ///
    /// # Errors
    ///
    /// [`OperatorError::Unknown`] for a name that is neither, or a reactor's: a reaction is never repeated.
    pub async fn rebuild(&self, name: &str) -> Result<Rebuilt, OperatorError> {
        if let Some(read_model) = self.read_models.get(name) {
            return Ok(Rebuilt::FromStore(read_model.rebuild(&self.store).await?));
        }
        let handler = self.handler(name)?;
        if handler.tables().is_empty() {
            return Err(self.unknown(name));
        }
        rebuild::from_streams(&self.store, &**handler).await?;
        Ok(Rebuilt::Restarted)
    }

    fn handler(&self, group: &str) -> Result<&Arc<dyn Handler>, OperatorError> {
        self.handlers
            .iter()
            .find(|handler| handler.group() == group)
            .ok_or_else(|| self.unknown(group))
    }

    fn unknown(&self, name: &str) -> OperatorError {
        let mut known: Vec<&str> = self
            .handlers
            .iter()
            .map(|handler| handler.group())
            .chain(self.read_models.keys().copied())
            .collect();
        known.sort_unstable();
        OperatorError::Unknown { name: name.to_owned(), known: known.join(", ") }
    }
}

async fn observe(store: EventStore, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(error) = metrics::observe_parked(&store).await {
            tracing::debug!(error = chain(&error), "parked events were not counted");
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(OBSERVE) => (),
        }
    }
}
