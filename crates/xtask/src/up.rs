//! `up`: everything on this machine.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use local_stack::services::SERVICES;
use local_stack::stack::{Endpoints, Stack, StackOptions};
use local_stack::state::{self, State};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::location::{Which, executable};
use crate::{demo_data, supervise, ui};

/// PostgreSQL, Redis, the mail sink and the services.
const PARTS: u64 = SERVICES.len() as u64 + 3;

/// Starts everything on this machine.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(clap::Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Returns when everything is ready; `down` stops it
    #[arg(long)]
    detach: bool,
    /// Deletes the data of earlier runs first
    #[arg(long)]
    reset: bool,
    /// Starts without demo data
    #[arg(long)]
    no_demo: bool,
    /// Prints the URLs as JSON for programs
    #[arg(long)]
    json: bool,
}

impl Up {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let dir = self.which.dir();
        if self.reset {
            reset(self.which).await?;
        }
        if let Some(state) = State::load(&dir)?.filter(State::is_up) {
            ui::note(format_args!("already up; `{}` stops it", self.which.down()));
            self.show(&Endpoints::of(&state)?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.detach {
            let state = supervise::start(self.which, self.no_demo).await?;
            self.show(&Endpoints::of(&state)?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        foreground(self.which, self.no_demo, async |endpoints| self.show(endpoints).await).await
    }

    async fn show(&self, endpoints: &Endpoints) -> Result<()> {
        if self.json {
            ui::line(serde_json::to_string_pretty(endpoints)?)?;
            return Ok(());
        }
        let mut rows = vec![["front door".to_owned(), format!("{}/docs", endpoints.gateway)]];
        for spec in SERVICES.iter().filter(|spec| spec.name != "gateway") {
            rows.push([spec.package.to_owned(), format!("{}/docs", endpoints.service(spec.name)?)]);
        }
        rows.push(["mail that was sent".to_owned(), endpoints.mail.clone()]);
        rows.push(["PostgreSQL".to_owned(), endpoints.postgres.clone()]);
        rows.push(["Redis".to_owned(), endpoints.redis.clone()]);
        ui::line(ui::table(["what", "url"], rows))?;
        let stack = match self.which.port_offset {
            0 => String::new(),
            offset => format!(" --stack target/local-{offset}"),
        };
        ui::line(format_args!("operator's tool: cargo run -p plctl --{stack} doctor"))?;
        if !self.no_demo {
            demo_data::show(endpoints).await?;
        }
        Ok(())
    }
}

/// Runs a stack until Ctrl-C, SIGTERM or SIGHUP, or until one of its processes ends by itself.
///
/// `ready` is called once, when everything takes requests.
pub(crate) async fn foreground(
    which: Which,
    no_demo: bool,
    ready: impl AsyncFnOnce(&Endpoints) -> Result<()>,
) -> Result<ExitCode> {
    let mut stop = StopSignals::new()?;
    let steps = ui::Steps::new(PARTS);
    let options = StackOptions {
        progress: steps.sink(),
        ..StackOptions::new(which.dir(), executable()?, which.ports()?)
    };
    let started = tokio::select! {
        started = Box::pin(Stack::start(options)) => started,
        () = stop.received() => Err(anyhow::anyhow!("interrupted while starting")),
    };
    steps.finish();
    let stack = started?;

    let result = tokio::select! {
        result = Box::pin(run_on(&stack, no_demo, ready)) => result,
        () = stop.received() => Ok(()),
    };
    ui::note("stopping");
    stack.stop().await?;
    result.map(|()| ExitCode::SUCCESS)
}

/// Tells that the stack is ready, and then returns only with what ended by itself.
async fn run_on(
    stack: &Stack,
    no_demo: bool,
    ready: impl AsyncFnOnce(&Endpoints) -> Result<()>,
) -> Result<()> {
    if !no_demo {
        demo_data::plant(stack.endpoints()).await?;
    }
    stack.mark_ready().await?;
    ready(stack.endpoints()).await?;
    loop {
        stack.ensure_running().await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The signals with which people and systems end a program.
struct StopSignals {
    signals: [Signal; 3],
}

impl StopSignals {
    fn new() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self { signals: [interrupt?, terminate?, hangup?] })
    }

    async fn received(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Deletes everything a stack has kept, its secrets included.
async fn reset(which: Which) -> Result<()> {
    let dir = which.dir();
    let state = match State::load(&dir) {
        Ok(state) => state,
        // A damaged record is what people reset for; it cannot say what runs.
        Err(error) => {
            ui::note(format_args!("{error:#}"));
            None
        }
    };
    if let Some(state) = state {
        if state.is_up() {
            bail!("it runs: stop it first (`{}`, or Ctrl-C where it runs)", which.down());
        }
        state::stop_recorded(&dir).await?;
        if let Some(data) =
            state.postgres_data.filter(|data| data.exists() && !data.starts_with(&dir))
        {
            std::fs::remove_dir_all(&data)
                .with_context(|| format!("cannot delete {}", data.display()))?;
        }
    }
    if dir.exists() {
        std::fs::remove_dir_all(&dir)
            .with_context(|| format!("cannot delete {}", dir.display()))?;
    }
    Ok(())
}
