//! A service: what it is made of, and how it starts and stops.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_runtime::{
    Broadcast, Clock, EventStore, RuntimeBuilder, runtime::Runtime, trim::Retention,
};
use poem::{
    Endpoint, EndpointExt, IntoEndpoint, Response, Route, endpoint::BoxEndpoint,
    middleware::CatchPanic,
};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;
use shared_schemas::Service;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Env, Sweep, Trust,
    allow::{self, Methods},
    config::{Common, Settings},
    database::{self, SqlMigration},
    docs,
    events::EventsApi,
    health::{self, Degraded, Health},
    http::{limits, observe, serve},
    lag, problem,
    program::StartError,
    sweep, telemetry,
};

/// Where every API lies.
pub const API_PREFIX: &str = "/api/v1";

/// How long a stopping process answers what still arrives, after it has said that it is not ready.
const DRAIN: Duration = Duration::from_millis(200);

/// How long a starting process waits for Redis to say how it is configured; without an answer it goes on.
const REDIS: Duration = Duration::from_secs(2);

/// How long a stopping process waits for the work in hand.
const FINISH: Duration = Duration::from_secs(10);

/// What a service is: its name, its tables, and a function that puts its parts together.
pub struct Definition<C> {
    /// Its schema, role and streams.
    pub service: Service,
    /// The port it serves unless told otherwise.
    pub port: u16,
    /// Its own migrations.
    pub migrations: &'static [SqlMigration],
    /// Puts the parts together.
    pub build: fn(&Host<C>) -> Parts,
}

/// What a service finds when its parts are put together.
pub struct Host<C> {
    /// Its own settings.
    pub config: C,
    /// The settings of every service.
    pub common: Common,
    /// Its events.
    pub store: EventStore,
    /// Who is believed; requests find it by themselves.
    pub trust: Trust,
    /// The clock.
    pub clock: Clock,
    /// What runs beside the requests; a stopping process waits for it.
    pub tasks: TaskTracker,
    /// Cancelled when the process stops.
    pub shutdown: CancellationToken,
    /// What the service does not do for now although it serves requests; `/readyz` says it.
    pub degraded: Degraded,
}

/// The parts of a service.
pub struct Parts {
    runtime: RuntimeBuilder,
    events: EventsApi,
    api: Option<(BoxEndpoint<'static, Response>, Value)>,
    root: Route,
    sweeps: Vec<Arc<dyn Sweep>>,
    start: Vec<StartHook>,
    large: Vec<limits::LargeBody>,
}

/// Something to do once the database is ready and before requests are served.
type StartHook = Box<
    dyn FnOnce() -> std::pin::Pin<
            Box<dyn Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send>,
        > + Send,
>;

impl Parts {
    /// No parts yet.
    pub fn new<C>(host: &Host<C>) -> Self {
        Self {
            runtime: RuntimeBuilder::new(host.store.clone(), host.common.redis_url.clone())
                .audit_every(host.common.audit_interval)
                .trim(Retention { entries: host.common.retention, ..Retention::default() }),
            events: EventsApi::new(host),
            api: None,
            root: Route::new(),
            sweeps: vec![Arc::new(sweep::ForgetIdempotencyKeys), Arc::new(sweep::ForgetDoneJobs)],
            start: Vec::new(),
            large: Vec::new(),
        }
    }

    /// The endpoints: one API, or a tuple of them; the service's events come with them.
    #[must_use]
    pub fn api(mut self, api: impl OpenApi + 'static, title: &str, description: &str) -> Self {
        let service =
            OpenApiService::new((api, self.events.clone()), title, env!("CARGO_PKG_VERSION"))
                .description(description)
                .server(API_PREFIX);
        let document = docs::document(&service);
        self.api = Some((service.map_to_response().boxed(), document));
        self
    }

    /// The document, to change it before it is served.
    #[must_use]
    pub fn document(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Some((_, document)) = &mut self.api {
            change(document);
        }
        self
    }

    /// An endpoint outside the API, such as `/.well-known/jwks.json`.
    #[must_use]
    pub fn at_root(mut self, path: &str, endpoint: impl IntoEndpoint<Endpoint: 'static>) -> Self {
        self.root = self.root.at(path, endpoint);
        self
    }

    /// Read models, projections, reactors and workers.
    #[must_use]
    pub fn runtime(mut self, add: impl FnOnce(RuntimeBuilder) -> RuntimeBuilder) -> Self {
        self.runtime = add(self.runtime);
        self
    }

    /// Periodic work.
    #[must_use]
    pub fn sweep(mut self, sweep: impl Sweep) -> Self {
        self.sweeps.push(Arc::new(sweep));
        self
    }

    /// Lets requests to one path of the API have a body of up to `bytes` bytes; two at a time.
    #[must_use]
    pub fn large_body(mut self, path: &str, bytes: usize) -> Self {
        self.large.push(limits::LargeBody::new(format!("{API_PREFIX}{path}"), bytes));
        self
    }

    /// Something to do once, after the migrations and before the first request.
    #[must_use]
    pub fn on_start<F>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        self.start.push(Box::new(move || Box::pin(hook())));
        self
    }
}

impl Parts {
    /// The runtime alone, for operators' commands.
    pub(crate) fn into_runtime(self) -> Runtime {
        self.runtime.build()
    }
}

/// A running service.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What moves its events; for operators and tests.
    pub runtime: Arc<Runtime>,
    /// Its store; for tests.
    pub store: EventStore,
    shutdown: CancellationToken,
    draining: Arc<AtomicBool>,
    tasks: TaskTracker,
    scheduler: tokio_cron_scheduler::JobScheduler,
}

impl Running {
    /// Stops: says that it is not ready, finishes what is in hand, gives its partitions back.
    pub async fn stop(mut self) {
        self.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(DRAIN).await;
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(FINISH, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                seconds = FINISH.as_secs(),
                "work in hand did not finish; it will be done again"
            );
        }
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "scheduler");
        }
    }
}

/// Connects to the service's database and opens its store, migrated.
pub(crate) async fn open<C: Settings>(
    definition: &Definition<C>,
    env: &mut Env,
    clock: Clock,
) -> Result<Host<C>, StartError> {
    let (common, database_url, config) = read(definition, env)?;
    telemetry::start_logs(common.log_format, &common.log_filter)?;
    tracing::info!(service = %definition.service, config = env.listing(), "starting");
    let db = database::connect(&database_url, definition.service.as_str()).await?;
    database::migrate(&db, definition.migrations).await?;
    let store = EventStore::open(db, definition.service, common.partitions, clock.clone()).await?;
    let trust = Trust::new(&common.token_issuer, &common.token_audience, clock.clone());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let degraded = Degraded::default();
    Ok(Host { config, common, store, trust, clock, tasks, shutdown, degraded })
}

fn read<C: Settings>(
    definition: &Definition<C>,
    env: &mut Env,
) -> Result<(Common, String, C), StartError> {
    struct All<C>(Common, String, C);
    // Read together, so that the mistakes of all three are reported together.
    let common = Common::read(env, definition.port);
    let database_url = env.url("DATABASE_URL", &["postgres", "postgresql"]);
    let config = env.read::<C>()?;
    let all = common.zip(database_url).map(|(common, url)| All(common, url, config));
    let All(common, url, config) = all.ok_or(StartError::Unread)?;
    Ok((common, url, config))
}

/// Starts a service; it runs until [`Running::stop`].
///
/// # Errors
///
/// [`StartError`] for everything that must be right at start.
pub async fn start<C: Settings>(
    definition: &Definition<C>,
    mut env: Env,
    clock: Clock,
) -> Result<Running, StartError> {
    let host = open(definition, &mut env, clock).await?;
    let parts = (definition.build)(&host);
    let listener = TcpListener::bind(host.common.listen)
        .await
        .map_err(|source| StartError::Listen { addr: host.common.listen, source })?;
    let addr = listener
        .local_addr()
        .map_err(|source| StartError::Listen { addr: host.common.listen, source })?;
    let (tasks, shutdown) = (host.tasks.clone(), host.shutdown.clone());
    let draining = Arc::new(AtomicBool::new(false));

    let runtime = Arc::new(parts.runtime.build());
    // Before anything runs: a Redis that would lose streams is a mistake of configuration.
    runtime.check_redis(REDIS).await?;
    for hook in parts.start {
        hook().await.map_err(StartError::Hook)?;
    }
    let figures = telemetry::figures();
    let trust = host.trust.clone();
    let broadcast = Broadcast::new(
        host.common.redis_url.clone(),
        Service::Auth,
        Arc::new(move |event| trust.observe(event)),
    );
    let caught_up = broadcast.caught_up();
    tasks.spawn(broadcast.run(shutdown.clone()).map_err(event_runtime::RuntimeError::from)?);
    runtime.start(&tasks, &shutdown)?;
    let scheduler = sweep::schedule(host.store.db(), parts.sweeps).await?;
    tasks.spawn({
        let shutdown = shutdown.clone();
        async move {
            while !shutdown.is_cancelled() {
                figures.run_upkeep();
                tokio::select! {
                    () = shutdown.cancelled() => (),
                    () = tokio::time::sleep(Duration::from_secs(5)) => (),
                }
            }
        }
    });

    let (api, document) =
        parts.api.unwrap_or_else(|| (Route::new().map_to_response().boxed(), Value::Null));
    let health = Health {
        db: Some(host.store.db().clone()),
        caught_up,
        trust: host.trust.clone(),
        draining: Arc::clone(&draining),
        degraded: host.degraded.clone(),
    };
    let root = lag::route(parts.root, Arc::clone(&runtime));
    let endpoint = endpoint(api, root, &document, health, host.trust.clone(), parts.large);
    tasks.spawn(serve::serve(listener, endpoint, tasks.clone(), shutdown.clone()));
    tracing::info!(service = %definition.service, addr = %addr, "listening");
    Ok(Running { addr, runtime, store: host.store, shutdown, draining, tasks, scheduler })
}

/// Everything between a connection and a handler.
fn endpoint(
    api: BoxEndpoint<'static, Response>,
    root: Route,
    document: &Value,
    health: Health,
    trust: Trust,
    large: Vec<limits::LargeBody>,
) -> impl Endpoint<Output = Response> + 'static {
    let root = docs::routes(root, document);
    let root = health::routes(root, health);
    with_layers(root.nest(API_PREFIX, api), Methods::of(document, API_PREFIX), trust, large)
}

/// The layers that every program of the platform puts around its routes: from the outside, a name and a figure for each
/// request, panics caught, limits, problems, and what a 405 has to say.
pub fn layered(
    routes: Route,
    methods: Methods,
    trust: Trust,
) -> impl Endpoint<Output = Response> + 'static {
    with_layers(routes, methods, trust, Vec::new())
}

fn with_layers(
    routes: Route,
    methods: Methods,
    trust: Trust,
    large: Vec<limits::LargeBody>,
) -> impl Endpoint<Output = Response> + 'static {
    let large: Arc<[limits::LargeBody]> = large.into();
    let methods = Arc::new(methods);
    let inner: Layer = Arc::new(
        routes.data(trust).catch_all_error(|error| async move { problem::render(error) }).boxed(),
    );
    let allowed = poem::endpoint::make(move |request| {
        let (inner, methods) = (Arc::clone(&inner), Arc::clone(&methods));
        async move { allow::allow(&methods, &*inner, request).await }
    });
    let allowed: Layer = Arc::new(allowed.boxed());
    let limited = poem::endpoint::make(move |request| {
        let (allowed, large) = (Arc::clone(&allowed), Arc::clone(&large));
        async move { limits::limit_by_path(&*allowed, request, &large).await }
    });
    let caught: Layer = Arc::new(
        limited
            .with(CatchPanic::new().with_handler(|_| problem::panicked()))
            .map_to_response()
            .boxed(),
    );
    poem::endpoint::make(move |request| {
        let caught = Arc::clone(&caught);
        async move { observe::observe(&*caught, request).await }
    })
}

/// One layer around the next.
type Layer = Arc<BoxEndpoint<'static, Response>>;
