//! A stack in the background.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use local_stack::state::State;

use crate::location::{Which, executable};
use crate::{ui, up};

/// Runs a stack in the background.
#[derive(clap::Args)]
pub(crate) struct Supervise {
    #[command(flatten)]
    which: Which,
    /// Starts without demo data
    #[arg(long)]
    no_demo: bool,
}

impl Supervise {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        // A session of its own: closing the terminal does not reach it.
        nix::unistd::setsid().context("cannot leave the terminal")?;
        up::foreground(self.which, self.no_demo, async |_| Ok(())).await
    }
}

/// Starts this program again as a supervisor, and waits until its stack is ready.
pub(crate) async fn start(which: Which, no_demo: bool) -> Result<State> {
    let dir = which.dir();
    std::fs::create_dir_all(&dir)?;
    let log = dir.join("supervisor.log");
    let output = OpenOptions::new().create(true).write(true).truncate(true).open(&log)?;
    let mut child = Command::new(executable()?)
        .arg("supervise")
        .args(which.arguments())
        .args(no_demo.then_some("--no-demo"))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("cannot start the supervisor")?;

    let mut shown = Shown::new(log);
    loop {
        let ended = child.try_wait()?;
        shown.show_new_lines();
        if let Some(status) = ended {
            bail!("the stack did not start ({status}); see above and {}", shown.log.display());
        }
        if let Some(state) = ready(&dir, &child)? {
            return Ok(state);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The record, once the supervisor has marked it.
fn ready(dir: &Path, supervisor: &Child) -> Result<Option<State>> {
    let pid = i32::try_from(supervisor.id()).context("process number out of range")?;
    let is_its_own = |state: &State| state.supervisor.as_ref().is_some_and(|id| id.pid == pid);
    Ok(State::load(dir)?.filter(|state| state.ready && is_its_own(state)))
}

/// The supervisor's log, shown as it grows.
struct Shown {
    log: PathBuf,
    lines: usize,
}

impl Shown {
    fn new(log: PathBuf) -> Self {
        Self { log, lines: 0 }
    }

    fn show_new_lines(&mut self) {
        // It is shown again at the next look, or it is in the file for people to read.
        let Ok(text) = std::fs::read_to_string(&self.log) else { return };
        let complete = text.lines().take(text.matches('\n').count());
        for line in complete.skip(self.lines) {
            ui::note(line);
            self.lines += 1;
        }
    }
}
