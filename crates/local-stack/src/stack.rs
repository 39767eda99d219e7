//! The whole system as processes on this machine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::acl;
use crate::binaries::Binaries;
use crate::environment::{LogFormat, Wiring, environment};
use crate::mail_sink::MailSink;
use crate::ports::Ports;
use crate::postgres::{Postgres, PostgresOptions};
use crate::process::{Launch, Process, ProcessId, Signal};
use crate::redis::{Access, RedisOptions, RedisServer};
use crate::secrets::{ADMIN, Secrets};
use crate::services::{DATABASE, SERVICES};
use crate::state::{self, State};
use crate::wait::wait_for;

/// How long services may take until they are ready; the first start also makes their tables.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// How long a service may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What happens while a stack starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something began to start.
    Starting(String),
    /// It takes requests.
    Ready(String),
    /// Something people should know.
    Note(String),
}

/// Is told what happens.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// How to start a stack.
#[derive(Clone)]
pub struct StackOptions {
    /// Where all data, logs and the record are.
    pub dir: PathBuf,
    /// Where everything listens.
    pub ports: Ports,
    /// The program that becomes a service when it is started with `serve <name>`.
    pub serve: PathBuf,
    /// `false` loses data when the machine crashes, and is faster: for tests.
    pub durable: bool,
    /// How services write their logs.
    pub log_format: LogFormat,
    /// Requests per hour and address that the gateway lets through without a token.
    pub anonymous_per_hour: u32,
    /// Requests per hour and user that the gateway lets through.
    pub user_per_hour: u32,
    /// Further variables of all services; they win over ours.
    pub environment: BTreeMap<String, String>,
    /// Is told what happens.
    pub progress: ProgressSink,
}

impl StackOptions {
    /// A stack for tests in `dir`: free ports, nothing durable, no word about progress.
    ///
    /// # Errors
    ///
    /// When there are too few free ports.
    pub fn for_tests(dir: PathBuf, serve: PathBuf) -> Result<Self> {
        Ok(Self { durable: false, ..Self::new(dir, serve, Ports::free()?) })
    }

    /// A durable stack with the rate limits of a local demo.
    pub fn new(dir: PathBuf, serve: PathBuf, ports: Ports) -> Self {
        Self {
            dir,
            ports,
            serve,
            durable: true,
            log_format: LogFormat::Human,
            anonymous_per_hour: 100_000,
            user_per_hour: 100_000,
            environment: BTreeMap::new(),
            progress: Arc::new(drop),
        }
    }
}

/// Where people and programs reach a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The front door, `http://127.0.0.1:8080`.
    pub gateway: String,
    /// Base URLs by service name, the gateway included.
    pub services: BTreeMap<String, String>,
    /// The mail sink's page.
    pub mail: String,
    /// The mail sink's SMTP side.
    pub smtp: String,
    /// The PostgreSQL superuser's URL of the database.
    pub postgres: String,
    /// The URL of the Redis user that may do everything.
    pub redis: String,
}

impl Endpoints {
    /// What the record of a stack says.
    ///
    /// # Errors
    ///
    /// When the record lacks a password.
    pub fn of(state: &State) -> Result<Self> {
        let http = |port: u16| format!("http://127.0.0.1:{port}");
        let State { secrets, ports, .. } = state;
        Ok(Self {
            gateway: http(ports.service("gateway")),
            services: ports
                .services
                .iter()
                .map(|(name, port)| (name.clone(), http(*port)))
                .collect(),
            mail: http(ports.mail),
            smtp: format!("smtp://127.0.0.1:{}", ports.smtp),
            postgres: format!(
                "postgres://{ADMIN}:{}@127.0.0.1:{}/{DATABASE}",
                secrets.postgres_password(ADMIN)?,
                ports.postgres
            ),
            redis: format!(
                "redis://{ADMIN}:{}@127.0.0.1:{}",
                secrets.redis_password(ADMIN)?,
                ports.redis
            ),
        })
    }

    /// The base URL of a service.
    ///
    /// # Errors
    ///
    /// When there is no service of that name.
    pub fn service(&self, name: &str) -> Result<&str> {
        self.services.get(name).map(String::as_str).with_context(|| format!("no service `{name}`"))
    }
}

/// A running stack; everything it started ends when this is dropped, in the order of the fields.
pub struct Stack {
    services: Mutex<BTreeMap<&'static str, Process>>,
    mail: MailSink,
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
        let mut state = fresh_state(&dir, &options.ports)?;
        state.save(&dir)?;

        let note = |text: &str| tell(Progress::Note(text.to_owned()));
        let binaries = Binaries::locate_or_install(&note).await?;
        let postgres = start_postgres(&options, &dir, &binaries, &state.secrets).await?;
        let redis = start_redis(&options, &dir, &binaries, &state.secrets).await?;
        let mail = MailSink::start(options.ports.smtp, options.ports.mail).await?;
        tell(Progress::Ready("mail sink".to_owned()));

        state.postgres_data = postgres.data_dir().map(Path::to_owned);
        let servers =
            [(state::POSTGRES, postgres.process_id()), (state::REDIS, redis.process_id())];
        let servers =
            servers.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.clone())));
        state.processes.extend(servers);

        let stack = Self {
            services: Mutex::new(BTreeMap::new()),
            mail,
            redis: Mutex::new(Server { server: redis, wanted: true }),
            postgres: Mutex::new(Server { server: postgres, wanted: true }),
            launches: launches(&options, &dir, &state.secrets)?,
            endpoints: Endpoints::of(&state)?,
            secrets: state.secrets.clone(),
            state: Mutex::new(state),
            dir,
            http: http_client()?,
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

    /// Kills a service as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill_service(&self, name: &str) -> Result<()> {
        self.take_service(name).await?.kill().await
    }

    /// Asks a service to end (SIGTERM), and kills it after ten seconds.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn stop_service(&self, name: &str) -> Result<()> {
        self.take_service(name).await?.stop(Signal::SIGTERM, STOP_LIMIT).await
    }

    /// Starts a service again with the same environment, and waits until it is ready; one that still runs
    /// is stopped first.
    ///
    /// # Errors
    ///
    /// When there is no such service or it does not become ready.
    pub async fn restart_service(&self, name: &str) -> Result<()> {
        let running = self.services.lock().await.remove(name);
        if let Some(mut process) = running {
            process.stop(Signal::SIGTERM, STOP_LIMIT).await?;
        }
        self.spawn_service(name).await?;
        self.wait_ready(vec![name]).await
    }

    /// Kills Redis as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn kill_redis(&self) -> Result<()> {
        let mut redis = self.redis.lock().await;
        redis.wanted = false;
        redis.server.kill().await
    }

    /// Starts Redis again with what it had written to disk.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn restart_redis(&self) -> Result<()> {
        let mut redis = self.redis.lock().await;
        redis.server.restart().await?;
        redis.wanted = true;
        self.record(state::REDIS, redis.server.process_id()).await
    }

    /// Kills Redis, deletes all it had, and starts it empty.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn lose_redis(&self) -> Result<()> {
        self.kill_redis().await?;
        self.redis.lock().await.server.lose_data()?;
        self.restart_redis().await
    }

    /// Kills PostgreSQL as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn kill_postgres(&self) -> Result<()> {
        let mut postgres = self.postgres.lock().await;
        postgres.wanted = false;
        postgres.server.kill().await
    }

    /// Starts PostgreSQL again with its data.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn restart_postgres(&self) -> Result<()> {
        let mut postgres = self.postgres.lock().await;
        postgres.server.restart().await?;
        postgres.wanted = true;
        self.record(state::POSTGRES, postgres.server.process_id()).await
    }

    /// Whether `/readyz` of a service answers 200.
    pub async fn is_ready(&self, name: &str) -> bool {
        let Ok(url) = self.endpoints.service(name) else { return false };
        is_ready(&self.http, url).await
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

/// The record for a new run, with the secrets of the last one.
fn fresh_state(dir: &Path, ports: &Ports) -> Result<State> {
    let secrets = match State::load(dir)? {
        Some(last) => last.secrets,
        None => Secrets::generate()?,
    };
    Ok(State {
        secrets,
        ports: ports.clone(),
        supervisor: Some(ProcessId::current()?),
        processes: BTreeMap::new(),
        ready: false,
        postgres_data: None,
    })
}

async fn start_postgres(
    options: &StackOptions,
    dir: &Path,
    binaries: &Binaries,
    secrets: &Secrets,
) -> Result<Postgres> {
    (options.progress)(Progress::Starting("PostgreSQL".to_owned()));
    let postgres = Postgres::start(PostgresOptions {
        binaries: binaries.postgres.clone(),
        dir: dir.to_owned(),
        port: options.ports.postgres,
        admin_password: secrets.postgres_password(ADMIN)?.to_owned(),
        durable: options.durable,
    })
    .await?;
    if let Some(data) = postgres.data_dir().filter(|data| !data.starts_with(dir)) {
        let note =
            format!("PostgreSQL's user cannot enter {}: data in {}", dir.display(), data.display());
        (options.progress)(Progress::Note(note));
    }
    postgres.provision(DATABASE, |role| secrets.postgres_password(role).map(str::to_owned)).await?;
    (options.progress)(Progress::Ready("PostgreSQL".to_owned()));
    Ok(postgres)
}

async fn start_redis(
    options: &StackOptions,
    dir: &Path,
    binaries: &Binaries,
    secrets: &Secrets,
) -> Result<RedisServer> {
    (options.progress)(Progress::Starting("Redis".to_owned()));
    let redis = RedisServer::start(RedisOptions {
        binary: binaries.redis.clone(),
        dir: dir.to_owned(),
        port: options.ports.redis,
        access: Access::Users {
            acl: acl::render(secrets)?,
            admin_password: secrets.redis_password(ADMIN)?.to_owned(),
        },
    })
    .await?;
    (options.progress)(Progress::Ready("Redis".to_owned()));
    Ok(redis)
}

fn launches(
    options: &StackOptions,
    dir: &Path,
    secrets: &Secrets,
) -> Result<BTreeMap<&'static str, Launch>> {
    let mut wiring = Wiring::local(&options.ports, secrets.clone());
    wiring.log_format = options.log_format;
    wiring.anonymous_per_hour = options.anonymous_per_hour;
    wiring.user_per_hour = options.user_per_hour;
    let logs = dir.join("logs");
    // Logs may hold addresses of people.
    std::fs::set_permissions(&logs, std::fs::Permissions::from_mode(0o700))?;
    let launch = |spec: &crate::services::ServiceSpec| {
        let mut variables = environment(spec, &wiring)?;
        variables.extend(options.environment.clone());
        let launch = Launch {
            name: spec.package.to_owned(),
            program: options.serve.clone(),
            args: vec!["serve".to_owned(), spec.name.to_owned()],
            environment: variables,
            log: logs.join(format!("{}.log", spec.name)),
            user: None,
            farewell: Signal::SIGKILL,
        };
        Ok((spec.name, launch))
    };
    SERVICES.iter().map(launch).collect()
}

fn http_client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    Ok(client)
}

async fn is_ready(http: &reqwest::Client, base_url: &str) -> bool {
    let answer = http.get(format!("{base_url}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status() == reqwest::StatusCode::OK)
}

/// Whether the services of these endpoints are ready, by name.
///
/// # Errors
///
/// When no HTTP client can be made.
pub async fn readiness(endpoints: &Endpoints) -> Result<BTreeMap<String, bool>> {
    let http = http_client()?;
    let mut ready = BTreeMap::new();
    for (name, url) in &endpoints.services {
        ready.insert(name.clone(), is_ready(&http, url).await);
    }
    Ok(ready)
}
