//! The whole system as processes on this machine.

mod control;
mod endpoints;
mod options;
mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::Mutex;

pub use endpoints::{Endpoints, readiness};
pub use options::{Progress, ProgressSink, StackOptions};

use crate::binaries::Binaries;
use crate::chain::Chain;
use crate::mail_sink::MailSink;
use crate::postgres::Postgres;
use crate::process::{Launch, Process, ProcessId, Signal};
use crate::redis::RedisServer;
use crate::secrets::Secrets;
use crate::services::SERVICES;
use crate::state::{self, State};
use crate::wait::wait_for;

/// How long services may take until they are ready; the first start also makes their tables.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// How long a service may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running stack; everything it started ends when this is dropped, in the order of the fields.
pub struct Stack {
    services: Mutex<BTreeMap<&'static str, Process>>,
    mail: MailSink,
    chain: Mutex<Option<Chain>>,
    redis: Mutex<Server<RedisServer>>,
    postgres: Mutex<Server<Postgres>>,
    launches: BTreeMap<&'static str, Launch>,
    state: Mutex<State>,
    dir: PathBuf,
    endpoints: Endpoints,
    secrets: Secrets,
    http: reqwest::Client,
    progress: ProgressSink,
}

/// A server that may be down because someone wanted it so.
struct Server<T> {
    server: T,
    wanted: bool,
}

impl Stack {
    /// Starts PostgreSQL, Redis, the mail sink and all services, and waits until all are ready.
    ///
    /// Secrets and data of an earlier run in the same directory are used again.
    ///
    /// # Errors
    ///
    /// When a port is in use, something is not installed and cannot be, or something ends early: then with
    /// the last lines of its log. Nothing runs on afterwards.
    pub async fn start(options: StackOptions) -> Result<Self> {
        if State::load(&options.dir)?.is_some_and(|state| state.is_up()) {
            bail!("a stack already runs in {}", options.dir.display());
        }
        // What a killed supervisor left behind still holds its ports and data.
        state::stop_recorded(&options.dir).await?;
        let dir = options.dir.clone();
        match Self::start_all(options).await {
            Ok(stack) => Ok(stack),
            Err(error) => {
                // Dropping has ended all that had started.
                if let Some(state) = State::load(&dir)? {
                    state.stopped().save(&dir)?;
                }
                Err(error)
            }
        }
    }

    async fn start_all(options: StackOptions) -> Result<Self> {
        options.ports.check()?;
        std::fs::create_dir_all(options.dir.join("logs"))?;
        let dir = options.dir.canonicalize()?;
        let tell = &*options.progress;
        let mut state = start::fresh_state(&dir, &options.ports)?;
        state.save(&dir)?;

        let note = |text: &str| tell(Progress::Note(text.to_owned()));
        let binaries = Binaries::locate_or_install(&note).await?;
        let postgres = start::postgres(&options, &dir, &binaries, &state.secrets).await?;
        let redis = start::redis(&options, &dir, &binaries, &state.secrets).await?;
        let mail = MailSink::start(options.ports.smtp, options.ports.mail).await?;
        tell(Progress::Ready("mail sink".to_owned()));
        let chain = if options.chain { start::chain(&options, &dir).await? } else { None };

        state.postgres_data = postgres.data_dir().map(Path::to_owned);
        let servers =
            [(state::POSTGRES, postgres.process_id()), (state::REDIS, redis.process_id())];
        let servers =
            servers.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.clone())));
        state.processes.extend(servers);
        if let Some(id) = chain.as_ref().and_then(|(chain, _)| chain.process_id()) {
            state.processes.insert(state::CHAIN.to_owned(), id.clone());
        }
        state.chain = chain.as_ref().map(|(chain, _)| chain.url());

        let on_chain = chain.as_ref().map(|(chain, contract)| (chain.url(), contract.clone()));
        let stack = Self {
            services: Mutex::new(BTreeMap::new()),
            mail,
            redis: Mutex::new(Server { server: redis, wanted: true }),
            postgres: Mutex::new(Server { server: postgres, wanted: true }),
            launches: start::launches(&options, &dir, &state.secrets, on_chain.as_ref())?,
            chain: Mutex::new(chain.map(|(chain, _)| chain)),
            endpoints: Endpoints::of(&state)?,
            secrets: state.secrets.clone(),
            state: Mutex::new(state),
            dir,
            http: endpoints::http_client()?,
            progress: Arc::clone(&options.progress),
        };
        match stack.start_services().await {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack
                    .stop()
                    .await
                    .context("the start failed, and so did stopping what had started")?;
                Err(error)
            }
        }
    }

    /// Where people and programs reach it.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The mail that services have sent.
    pub fn mail(&self) -> &MailSink {
        &self.mail
    }

    /// The directory with data and logs; a service's log is `logs/<name>.log`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The URL with which the service `role`, or `admin`, reaches the database.
    ///
    /// # Errors
    ///
    /// When there is no such role.
    pub fn postgres_url(&self, role: &str) -> Result<String> {
        let password = self.secrets.postgres_password(role)?;
        let (_, address) = self.endpoints.postgres.rsplit_once('@').context("no `@` in the URL")?;
        Ok(format!("postgres://{role}:{password}@{address}"))
    }

    /// The URL of the Redis user that may do everything.
    pub fn redis_admin_url(&self) -> &str {
        &self.endpoints.redis
    }

    /// The URL of the Redis user `name`.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub fn redis_url(&self, name: &str) -> Result<String> {
        let password = self.secrets.redis_password(name)?;
        let (_, address) = self.endpoints.redis.rsplit_once('@').context("no `@` in the URL")?;
        Ok(format!("redis://{name}:{password}@{address}"))
    }

    /// Whether `/readyz` of a service answers 200.
    pub async fn is_ready(&self, name: &str) -> bool {
        let Ok(url) = self.endpoints.service(name) else { return false };
        endpoints::is_ready(&self.http, url).await
    }

    /// Marks the record: others that wait for this stack may go on.
    ///
    /// # Errors
    ///
    /// When the record cannot be written.
    pub async fn mark_ready(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        state.ready = true;
        state.save(&self.dir)
    }

    /// Looks whether everything runs that was not stopped on purpose.
    ///
    /// # Errors
    ///
    /// With the end of the log of the first process that has ended by itself.
    pub async fn ensure_running(&self) -> Result<()> {
        for process in self.services.lock().await.values_mut() {
            process.ensure_running()?;
        }
        let mut redis = self.redis.lock().await;
        if redis.wanted {
            redis.server.ensure_running()?;
        }
        let mut postgres = self.postgres.lock().await;
        if postgres.wanted {
            postgres.server.ensure_running()?;
        }
        if let Some(chain) = &mut *self.chain.lock().await {
            chain.ensure_running()?;
        }
        Ok(())
    }

    /// Stops all: services first (SIGTERM, ten seconds, SIGKILL), then the mail sink, Redis and PostgreSQL.
    ///
    /// # Errors
    ///
    /// The first failure, after everything was tried.
    pub async fn stop(self) -> Result<()> {
        let mut services = self.services.into_inner();
        let mut results = Vec::new();
        for process in services.values() {
            results.push(process.send(Signal::SIGTERM));
        }
        let deadline = tokio::time::Instant::now() + STOP_LIMIT;
        for process in services.values_mut() {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            results.push(process.finish(left).await);
        }
        self.mail.stop().await;
        if let Some(mut chain) = self.chain.into_inner() {
            results.push(chain.stop().await);
        }
        results.push(self.redis.into_inner().server.stop().await);
        results.push(self.postgres.into_inner().server.stop().await);

        results.push(self.state.into_inner().stopped().save(&self.dir));
        results.into_iter().collect()
    }

    async fn start_services(&self) -> Result<()> {
        let names: Vec<_> = SERVICES.iter().map(|spec| spec.name).collect();
        for name in &names {
            (self.progress)(Progress::Starting((*name).to_owned()));
            self.spawn_service(name).await?;
        }
        self.wait_ready(names).await
    }

    async fn spawn_service(&self, name: &str) -> Result<()> {
        let (name, launch) =
            self.launches.get_key_value(name).with_context(|| format!("no service `{name}`"))?;
        let process = Process::spawn(launch)?;
        let id = process.id().cloned();
        self.services.lock().await.insert(name, process);
        self.record(name, id.as_ref()).await
    }

    async fn take_service(&self, name: &str) -> Result<Process> {
        let taken = self.services.lock().await.remove(name);
        taken.with_context(|| format!("the service `{name}` does not run"))
    }

    async fn record(&self, name: &str, id: Option<&ProcessId>) -> Result<()> {
        let mut state = self.state.lock().await;
        match id {
            Some(id) => state.processes.insert(name.to_owned(), id.clone()),
            None => state.processes.remove(name),
        };
        state.save(&self.dir)
    }

    async fn wait_ready(&self, names: Vec<&str>) -> Result<()> {
        let mut waiting = names;
        let ready = wait_for("services to be ready", READY_LIMIT, async || {
            self.ensure_running().await?;
            let mut still = Vec::new();
            for name in &waiting {
                if self.is_ready(name).await {
                    (self.progress)(Progress::Ready((*name).to_owned()));
                } else {
                    still.push(*name);
                }
            }
            waiting = still;
            Ok(waiting.is_empty().then_some(()))
        })
        .await;
        if ready.is_err() {
            // What has ended says more than that it is not ready.
            self.ensure_running().await?;
        }
        ready.with_context(|| {
            format!(
                "not ready: {}; logs are in {}",
                waiting.join(", "),
                self.dir.join("logs").display()
            )
        })
    }
}
