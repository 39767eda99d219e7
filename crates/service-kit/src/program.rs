//! A service as a program: its commands, its signals, its exit codes.

use std::{
    convert::Infallible,
    io::{IsTerminal, Write},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use event_runtime::{
    Clock, RuntimeError,
    error::chain,
    park,
    rebuild::{Phase, Progress},
    runtime::OperatorError,
};
use sea_orm::DbErr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    ConfigError, Definition, Env,
    config::{Common, Settings},
    service,
};

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Settings were read without a mistake and yet not read; a bug of a [`Settings`] implementation.
    #[error("the configuration could not be read")]
    Unread,
    /// `LOG_FILTER` does not parse.
    #[error("LOG_FILTER is not valid")]
    LogFilter(#[from] tracing_subscriber::filter::ParseError),
    /// The database does not answer, or a migration failed.
    #[error("the database cannot be used; check DATABASE_URL and that the server runs")]
    Database(#[from] DbErr),
    /// The runtime could not start.
    #[error("the event runtime cannot start")]
    Runtime(#[from] RuntimeError),
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}; is another process there?")]
    Listen {
        /// Where it wanted to listen.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A periodic job has no valid schedule.
    #[error("a periodic job cannot be scheduled")]
    Schedule(#[from] tokio_cron_scheduler::JobSchedulerError),
    /// What a service does at its start failed.
    #[error("the service could not prepare itself")]
    Hook(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operating system refused a signal handler.
    #[error("cannot listen for signals")]
    Signal(#[source] std::io::Error),
    /// An operator's command failed.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

/// Exit code of a configuration mistake (`EX_CONFIG` of `sysexits.h`).
const EX_CONFIG: u8 = 78;

const USAGE: &str = "usage: <service> [serve | migrate | healthcheck | parked | redrive GROUP [AGGREGATE-ID] | rebuild NAME | audit [NAME]]";

/// Runs a service as the program's arguments say; without any, serves until told to stop.
pub fn main<C: Settings>(definition: &Definition<C>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(definition, &arguments, Env::of_process())
}

/// Serves until told to stop, whatever the program's arguments are.
pub fn serve<C: Settings>(definition: &Definition<C>) -> ExitCode {
    run(definition, &[], Env::of_process())
}

fn run<C: Settings>(definition: &Definition<C>, arguments: &[String], env: Env) -> ExitCode {
    block_on(async {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match *arguments {
            [] | ["serve"] => serve_until_signal(definition, env).await,
            ["migrate"] => migrate(definition, env).await,
            ["healthcheck"] => return healthcheck(env, definition.port).await,
            ["parked"] => parked(definition, env).await,
            ["redrive", group] => redrive(definition, env, group, None).await,
            ["redrive", group, aggregate] => match aggregate.parse() {
                Ok(aggregate) => redrive(definition, env, group, Some(aggregate)).await,
                Err(error) => return fail(&format!("{aggregate} is no aggregate id: {error}"), 64),
            },
            ["rebuild", name] => rebuild(definition, env, name).await,
            ["audit"] => return audit(definition, env, None).await,
            ["audit", name] => return audit(definition, env, Some(name)).await,
            _ => return usage(USAGE),
        }
        .map_or_else(report, |()| ExitCode::SUCCESS)
    })
}

/// Runs a program's future on a runtime of its own.
pub fn block_on(future: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => fail(&format!("cannot start the async runtime: {error}"), 71),
    }
}

/// Says why a program ends, on one line per mistake.
pub fn report(error: StartError) -> ExitCode {
    if let StartError::Config(error) = error {
        return fail(&error.to_string(), EX_CONFIG);
    }
    fail(&chain(&error), 1)
}

/// Says how a program is called, when it was called otherwise (`EX_USAGE` of `sysexits.h`).
pub fn usage(text: &str) -> ExitCode {
    fail(text, 64)
}

fn fail(text: &str, code: u8) -> ExitCode {
    // A closed standard error leaves nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
    ExitCode::from(code)
}

fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

async fn serve_until_signal<C: Settings>(
    definition: &Definition<C>,
    env: Env,
) -> Result<(), StartError> {
    let running = service::start(definition, env, Clock::System).await?;
    until_signal().await?;
    tracing::info!(service = %definition.service, "stopping");
    running.stop().await;
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
///
/// [`StartError::Signal`] if the system allows no handler.
pub async fn until_signal() -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signal)?;
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    Ok(())
}

async fn migrate<C: Settings>(definition: &Definition<C>, mut env: Env) -> Result<(), StartError> {
    service::open(definition, &mut env, Clock::System).await?;
    say("the schema is up to date");
    Ok(())
}

async fn parked<C: Settings>(definition: &Definition<C>, mut env: Env) -> Result<(), StartError> {
    let host = service::open(definition, &mut env, Clock::System).await?;
    for event in park::list(host.store.db(), 1_000).await? {
        say(&serde_json::to_string(&event).unwrap_or_default());
    }
    Ok(())
}

async fn redrive<C: Settings>(
    definition: &Definition<C>,
    mut env: Env,
    group: &str,
    aggregate: Option<uuid::Uuid>,
) -> Result<(), StartError> {
    let host = service::open(definition, &mut env, Clock::System).await?;
    let redriven = (definition.build)(&host).into_runtime().redrive(group, aggregate).await?;
    say(&serde_json::to_string(&redriven).unwrap_or_default());
    Ok(())
}

async fn rebuild<C: Settings>(
    definition: &Definition<C>,
    mut env: Env,
    name: &str,
) -> Result<(), StartError> {
    let host = service::open(definition, &mut env, Clock::System).await?;
    let runtime = (definition.build)(&host).into_runtime();
    let progress = watch::Sender::<Progress>::default();
    let rebuilt = tokio::select! {
        rebuilt = runtime.rebuild_watched(name, &progress) => rebuilt?,
        never = show_progress(progress.subscribe()) => match never {},
    };
    say(&serde_json::to_string(&rebuilt).unwrap_or_default());
    Ok(())
}

/// Compares read models with their events; fails if one of them is not what they say.
async fn audit<C: Settings>(
    definition: &Definition<C>,
    mut env: Env,
    name: Option<&str>,
) -> ExitCode {
    let audited = async {
        let host = service::open(definition, &mut env, Clock::System).await?;
        let runtime = (definition.build)(&host).into_runtime();
        let names = name.map_or_else(|| runtime.projections(), |name| vec![name]);
        let mut drift = 0;
        for name in names {
            let report = runtime.audit(name).await?;
            drift += report.drift_rows();
            say(&serde_json::to_string(&report).unwrap_or_default());
        }
        Ok::<u64, StartError>(drift)
    };
    match audited.await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => report(error),
    }
}

/// Says how far a rebuild has come: one line that changes on a terminal, a line every few seconds elsewhere.
async fn show_progress(progress: watch::Receiver<Progress>) -> Infallible {
    let is_terminal = std::io::stderr().is_terminal();
    let started = tokio::time::Instant::now();
    let pause = if is_terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
    loop {
        tokio::time::sleep(pause).await;
        let Progress { phase, done, total } = *progress.borrow();
        let line = progress_line(phase, done, total, started.elapsed());
        // A closed standard error leaves nobody to tell.
        drop(if is_terminal {
            write!(std::io::stderr(), "\r{line}\u{1b}[K")
        } else {
            writeln!(std::io::stderr(), "{line}")
        });
    }
}

fn progress_line(phase: Phase, done: u64, total: u64, elapsed: Duration) -> String {
    let share = (done * 20).checked_div(total.max(1)).unwrap_or(0).min(20);
    let bar: String = (0..20).map(|step| if step < share { '#' } else { '.' }).collect();
    let rate = u128::from(done) * 1_000 / elapsed.as_millis().max(1);
    let word = match phase {
        Phase::Replaying => "replaying",
        Phase::Exchanging => "exchanging",
        Phase::Done => "done",
    };
    format!("[{bar}] {done}/{total} events, {rate}/s, {word}")
}

/// Asks the service on this machine whether it is ready; for container health checks, where there is no curl.
pub async fn healthcheck(mut env: Env, port: u16) -> ExitCode {
    let Some(addr) = env.or_default::<SocketAddr>("LISTEN_ADDR", &format!("127.0.0.1:{port}"))
    else {
        return fail("LISTEN_ADDR is not valid", EX_CONFIG);
    };
    let addr = SocketAddr::from(([127, 0, 0, 1], addr.port()));
    match tokio::time::timeout(Duration::from_secs(2), ask_ready(addr)).await {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => fail("not ready", 1),
        Ok(Err(error)) => fail(&format!("no answer: {error}"), 1),
        Err(_elapsed) => fail("no answer within 2 s", 1),
    }
}

async fn ask_ready(addr: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(addr).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

/// The settings of a program that has no database of its own.
///
/// # Errors
///
/// [`StartError::Config`] with every mistake.
pub fn read_common<C: Settings>(env: &mut Env, port: u16) -> Result<(Common, C), StartError> {
    let common = Common::read(env, port);
    let config = env.read::<C>()?;
    common.map(|common| (common, config)).ok_or(StartError::Unread)
}
