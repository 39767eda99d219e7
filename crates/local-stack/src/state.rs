//! What a stack remembers between runs, and what another program must know to find or stop it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::ports::Ports;
use crate::process::{ProcessId, Signal};
use crate::secrets::Secrets;

/// The record of one stack, `state.json` in its directory. It holds secrets: only its owner may read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Made once, because the data was made with them.
    pub secrets: Secrets,
    /// The ports of the run, or of the last one.
    pub ports: Ports,
    /// The program that runs the stack, and stops all of it when asked to end.
    pub supervisor: Option<ProcessId>,
    /// What it started, by name.
    pub processes: BTreeMap<String, ProcessId>,
    /// Whether everything was ready and seeded.
    pub ready: bool,
    /// Where PostgreSQL keeps its data; not always below the stack's directory.
    pub postgres_data: Option<PathBuf>,
    /// The development chain's URL, if there is one.
    #[serde(default)]
    pub chain: Option<String>,
}

impl State {
    /// Reads the record; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read or understood.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let file = path(dir);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let state = serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged: start again with `--reset`", file.display())
        })?;
        Ok(Some(state))
    }

    /// Writes the record, at once or not at all.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        let file = path(dir);
        let new = file.with_extension("json.new");
        if let Err(error) = std::fs::remove_file(&new)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error.into());
        }
        let mut output =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        output.write_all(&serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&new, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The record after everything was stopped.
    pub(crate) fn stopped(self) -> Self {
        Self { supervisor: None, processes: BTreeMap::new(), ready: false, chain: None, ..self }
    }

    /// Whether the program that runs the stack is there.
    pub fn is_up(&self) -> bool {
        self.supervisor.as_ref().is_some_and(ProcessId::runs)
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

/// Stops the stack that the record in `dir` describes; `false` when nothing of it ran.
///
/// Only processes that the record names by number *and* start time are signalled. Normally the
/// supervisor stops the others; after it was killed, what is left is stopped here in the same order.
///
/// # Errors
///
/// When the record is damaged or a process cannot be stopped.
pub async fn stop_recorded(dir: &Path) -> Result<bool> {
    let Some(state) = State::load(dir)? else { return Ok(false) };
    let mut ran = false;
    if let Some(supervisor) = state.supervisor.as_ref().filter(|supervisor| supervisor.runs()) {
        ran = true;
        supervisor.stop(Signal::SIGTERM, Duration::from_secs(40)).await?;
    }
    let (last, first): (Vec<_>, Vec<_>) =
        state.processes.iter().partition(|(name, _)| *name == POSTGRES || *name == REDIS);
    for (name, process) in first.into_iter().chain(last) {
        if process.runs() {
            ran = true;
            // SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
            let signal = if name == POSTGRES { Signal::SIGINT } else { Signal::SIGTERM };
            process.stop(signal, Duration::from_secs(10)).await?;
        }
    }
    state.stopped().save(dir)?;
    Ok(ran)
}

/// The name of PostgreSQL in [`State::processes`].
pub(crate) const POSTGRES: &str = "postgres";
/// The name of the development chain in [`State::processes`].
pub(crate) const CHAIN: &str = "chain";
/// The name of Redis in [`State::processes`].
pub(crate) const REDIS: &str = "redis";
