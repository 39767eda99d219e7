//! The parts together: one relay, one consumer per group and partition, one worker per kind of job.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use sea_orm::DbErr;
use shared_schemas::{Event, Service};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    ApplyError, EventStore, InlineProjection, JobWorker, Projection, Reactor, RuntimeError,
    audit::{self, AuditError, AuditReport, Auditor, Pace},
    catch_up::Server,
    consumer::{
        Handler, ProjectionHandler, ReactorHandler, acquire,
        roster::{Parts, Roster},
    },
    control::{Listener, Reporter},
    error::chain,
    job,
    lag::{self, Heads, LagError, LagReport},
    layout::Watch,
    lease::Leases,
    metrics,
    operator::requests,
    park::{self, Redriven},
    rebuild::{self, GroupProjection, OwnReadModel, Progress, RebuildError, Rebuilt, Replayable},
    redis,
    relay::{RedisServer, Relay},
    trim::{Retention, Trimmer},
};

/// How often the parked events are counted.
const OBSERVE: Duration = Duration::from_secs(5);

/// Requests for stored events that wait to be answered; those that find no room come again.
const REQUESTS: usize = 256;

/// Collects what a service does with events.
pub struct RuntimeBuilder {
    store: EventStore,
    redis_url: String,
    handlers: Vec<Arc<dyn Handler>>,
    workers: Vec<Arc<dyn JobWorker>>,
    /// What can be made again.
    replayable: Vec<Arc<dyn Replayable>>,
    audit_interval: Option<Duration>,
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
            replayable: Vec::new(),
            audit_interval: None,
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
        let projection = Arc::new(projection);
        self.replayable.push(Arc::new(GroupProjection {
            projection: Arc::clone(&projection) as Arc<dyn Projection>,
            redis_url: self.redis_url.clone(),
        }));
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
        let store = self.store.clone();
        self.replayable.push(Arc::new(OwnReadModel { store, read_model: Arc::new(read_model) }));
        self
    }

    /// Audits every projection in the background, so that no audit becomes older than `interval` by much; off without.
    #[must_use]
    pub fn audit_every(mut self, interval: Duration) -> Self {
        self.audit_interval = (!interval.is_zero()).then_some(interval);
        self
    }

    /// The runtime, not yet running.
    pub fn build(self) -> Runtime {
        let Self { store, redis_url, handlers, workers, replayable, audit_interval, retention } =
            self;
        let heads = Arc::default();
        Runtime {
            store,
            redis_url,
            handlers,
            workers,
            replayable,
            audit_interval,
            retention,
            heads,
        }
    }
}

/// Everything that moves events in one process of a service.
#[derive(Clone)]
pub struct Runtime {
    store: EventStore,
    redis_url: String,
    handlers: Vec<Arc<dyn Handler>>,
    workers: Vec<Arc<dyn JobWorker>>,
    /// What can be made again.
    replayable: Vec<Arc<dyn Replayable>>,
    audit_interval: Option<Duration>,
    retention: Option<Retention>,
    heads: Arc<Heads>,
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
    /// A projection could not be compared with its events.
    #[error("the projection was not audited")]
    Audit(#[from] AuditError),
    /// A projection could not be made again.
    #[error("the projection was not rebuilt; its tables are as they were")]
    Rebuild(#[from] RebuildError),
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
            let groups = self.groups();
            let redis = redis::connect(&self.redis_url)?;
            let reporter =
                Reporter::new(self.store.clone(), redis, groups, Arc::clone(&self.heads));
            tasks.spawn(reporter.run(shutdown.clone()));
        }

        let groups = self.handlers.iter().map(|handler| handler.group());
        let leases = Arc::new(Leases::new(self.store.db().clone(), groups));
        let commands = Arc::new(redis::Shared::connect(&self.redis_url)?);
        let mut roster = Roster::new(Parts {
            store: self.store.clone(),
            leases: Arc::clone(&leases),
            commands: Arc::clone(&commands),
            redis_url: self.redis_url.clone(),
            tasks: tasks.clone(),
        });
        let mut layouts: HashMap<Service, Watch> = HashMap::new();
        for handler in &self.handlers {
            let mut read = Vec::new();
            for service in handler.reads() {
                let layout = match layouts.entry(*service) {
                    Entry::Occupied(known) => known.get().clone(),
                    Entry::Vacant(unknown) => {
                        let redis = redis::connect(&self.redis_url)?;
                        let (layout, look) = Watch::new(*service, redis, shutdown.clone());
                        tasks.spawn(look);
                        unknown.insert(layout).clone()
                    }
                };
                read.push(layout);
            }
            roster.add(handler, read);
        }
        tasks.spawn(acquire::run(roster, Arc::clone(&leases), tasks.clone(), shutdown.clone()));
        for worker in &self.workers {
            tasks.spawn(job::work(self.store.clone(), Arc::clone(worker), shutdown.clone()));
        }

        if let Some(interval) = self.audit_interval {
            let (store, projections) = (self.store.clone(), self.replayable.clone());
            tasks.spawn(Auditor { store, projections, interval }.run(shutdown.clone()));
        }

        // Leases are kept until the consumers have finished, so that nobody takes over what is still in hand.
        let keeper = shutdown.clone();
        tasks.spawn(async move {
            leases.keep(keeper).await;
            redis::close(commands.client()).await;
        });
        tasks.spawn(observe(self.store.clone(), shutdown.clone()));
        tasks.spawn(requests::work(self.clone(), shutdown.clone()));
        Ok(())
    }

    /// What the groups of this service have ahead of them, in whichever process. Known from a second after the start on, as
    /// soon as Redis answers.
    ///
    /// # Errors
    ///
    /// [`LagError`] if it is not known yet, or the database fails.
    pub async fn lag(&self) -> Result<LagReport, LagError> {
        lag::report(&self.store, &self.heads, &self.groups()).await
    }

    fn groups(&self) -> Vec<(&'static str, &'static [Service])> {
        self.handlers.iter().map(|handler| (handler.group(), handler.reads())).collect()
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
        let never = CancellationToken::new();
        Ok(park::redrive(&self.store, &**handler, aggregate, None, &never).await?)
    }

    /// The names of the projections that can be rebuilt and audited: a category for a read model of the service's own
    /// events, a consumer group for a projection of others'.
    pub fn projections(&self) -> Vec<&'static str> {
        self.replayable.iter().map(|projection| projection.name()).collect()
    }

    /// Makes a projection again, while it is in use; see [`rebuild`].
    ///
    /// # Errors
    ///
    /// [`OperatorError::Unknown`] for a name that is no projection's (a reaction is never repeated);
    /// [`OperatorError::Rebuild`] if it did not come to an end, and the old tables are still there.
    pub async fn rebuild(&self, name: &str) -> Result<Rebuilt, OperatorError> {
        self.rebuild_watched(name, &watch::Sender::default()).await
    }

    /// The same, saying meanwhile how far it has come.
    ///
    /// # Errors
    ///
    /// As [`rebuild`](Self::rebuild).
    pub async fn rebuild_watched(
        &self,
        name: &str,
        progress: &watch::Sender<Progress>,
    ) -> Result<Rebuilt, OperatorError> {
        Ok(rebuild::run(&self.store, &**self.replayable(name)?, progress).await?)
    }

    /// Compares a projection with a replay of its events, as fast as that goes, and keeps the result for the figures.
    ///
    /// # Errors
    ///
    /// [`OperatorError::Unknown`] for a name that is no projection's; [`OperatorError::Audit`] if there is no result.
    pub async fn audit(&self, name: &str) -> Result<AuditReport, OperatorError> {
        let pace = Pace { rate: None, stop: CancellationToken::new() };
        let report = audit::run(&self.store, &**self.replayable(name)?, &pace).await?;
        audit::record(&self.store, &report).await?;
        Ok(report)
    }

    fn replayable(&self, name: &str) -> Result<&Arc<dyn Replayable>, OperatorError> {
        self.replayable.iter().find(|projection| projection.name() == name).ok_or_else(|| {
            OperatorError::Unknown { name: name.to_owned(), known: self.projections().join(", ") }
        })
    }

    fn handler(&self, group: &str) -> Result<&Arc<dyn Handler>, OperatorError> {
        self.handlers.iter().find(|handler| handler.group() == group).ok_or_else(|| {
            OperatorError::Unknown {
                name: group.to_owned(),
                known: self
                    .handlers
                    .iter()
                    .map(|handler| handler.group())
                    .collect::<Vec<_>>()
                    .join(", "),
            }
        })
    }
}

async fn observe(store: EventStore, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(error) = metrics::observe_parked(&store).await {
            tracing::debug!(error = chain(&error), "parked events were not counted");
        }
        if let Err(error) = audit::observe(&store).await {
            tracing::debug!(error = chain(&error), "audits were not looked up");
        }
        if let Err(error) = metrics::observe_diverged(&store).await {
            tracing::debug!(error = chain(&error), "diverged groups were not counted");
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(OBSERVE) => (),
        }
    }
}
