//! The gateway: the one address that clients talk to.
//!
//! It routes by one table, counts requests, refuses bad tokens, keeps services that fail from being waited for, and shows
//! all their documents as one. It decides nothing of their business and keeps no state but counters.

mod asyncapi;
pub mod breaker;
pub mod config;
mod edge;
pub mod headers;
mod openapi;
pub mod origin;
mod problems;
mod proxy;
pub mod rate_limit;
pub mod routes;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_runtime::{Broadcast, Clock, RuntimeError};
use poem::Route;
use service_kit::{
    Env, Trust,
    health::{self, Degraded, Health},
    http::serve,
    program::{self, StartError},
    telemetry,
};
use shared_schemas::Service;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config, edge::Gateway, openapi::Documents, proxy::Proxy, rate_limit::RateLimiter,
};

/// The port it serves unless told otherwise.
pub const PORT: u16 = 8080;

/// How long a stopping gateway answers what still arrives, after it has said that it is not ready.
const DRAIN: Duration = Duration::from_millis(200);

/// How long a stopping gateway waits for the requests in hand.
const FINISH: Duration = Duration::from_secs(10);

/// How often figures are tidied up, so that histograms do not grow between two scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until told to stop, whatever the program's arguments are; the configuration comes from the environment.
pub fn run() -> ExitCode {
    program::block_on(serve_until_signal())
}

/// Does what the program's arguments say: `serve`, which is also what it does without any, or `healthcheck`.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] | ["serve"] => run(),
        ["healthcheck"] => program::block_on(program::healthcheck(Env::of_process(), PORT)),
        _ => program::usage("usage: gateway-service [serve | healthcheck]"),
    }
}

async fn serve_until_signal() -> ExitCode {
    let running = match start(Env::of_process(), Clock::System).await {
        Ok(running) => running,
        Err(error) => return program::report(error),
    };
    let signalled = program::until_signal().await;
    tracing::info!(service = "gateway", "stopping");
    running.stop().await;
    signalled.map_or_else(program::report, |()| ExitCode::SUCCESS)
}

/// A running gateway.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    shutdown: CancellationToken,
    draining: Arc<AtomicBool>,
    tasks: TaskTracker,
}

impl Running {
    /// Stops: says that it is not ready, then finishes the requests in hand.
    pub async fn stop(self) {
        self.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(DRAIN).await;
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(FINISH, self.tasks.wait()).await.is_err() {
            tracing::warn!(seconds = FINISH.as_secs(), "requests in hand did not finish");
        }
    }
}

/// Starts a gateway; it runs until [`Running::stop`].
///
/// # Errors
///
/// [`StartError`] for everything that must be right at start. Services and Redis need not run yet.
pub async fn start(mut env: Env, clock: Clock) -> Result<Running, StartError> {
    let (common, config) = program::read_common::<Config>(&mut env, PORT)?;
    telemetry::start_logs(common.log_format, &common.log_filter)?;
    tracing::info!(service = "gateway", config = env.listing(), "starting");
    let figures = telemetry::figures();
    let listen = |source| StartError::Listen { addr: common.listen, source };
    let listener = TcpListener::bind(common.listen).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let draining = Arc::new(AtomicBool::new(false));

    let trust = Trust::new(&common.token_issuer, &common.token_audience, clock);
    let observer = trust.clone();
    let broadcast = Broadcast::new(
        common.redis_url.clone(),
        Service::Auth,
        Arc::new(move |event| observer.observe(event)),
    );
    let caught_up = broadcast.caught_up();
    tasks.spawn(broadcast.run(shutdown.clone()).map_err(RuntimeError::from)?);
    tasks.spawn({
        let shutdown = shutdown.clone();
        async move {
            while !shutdown.is_cancelled() {
                figures.run_upkeep();
                tokio::select! {
                    () = shutdown.cancelled() => (),
                    () = tokio::time::sleep(UPKEEP) => (),
                }
            }
        }
    });

    let limiter =
        RateLimiter::connect(&common.redis_url, config.policies).map_err(RuntimeError::from)?;
    let proxy = Arc::new(Proxy::new(config.upstreams, shutdown.clone()));
    let documents = Arc::new(Documents::new(Arc::clone(&proxy)));
    let health = Health {
        db: None,
        caught_up: caught_up.clone(),
        trust: trust.clone(),
        draining: Arc::clone(&draining),
        degraded: Degraded::default(),
    };
    let own = openapi::routes(health::routes(Route::new(), health), &documents);
    let own = asyncapi::routes(own);
    let gateway = Gateway { trust, caught_up, limiter, proxy };
    let endpoint = edge::endpoint(gateway, own, config.trusted_hops);
    tasks.spawn(serve::serve(listener, endpoint, tasks.clone(), shutdown.clone()));
    tracing::info!(service = "gateway", addr = %addr, "listening");
    Ok(Running { addr, shutdown, draining, tasks })
}
