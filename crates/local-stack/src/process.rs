//! Child processes that do not outlive us, and other people's processes that we do not touch.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::kill;
use nix::unistd::{Gid, Pid, Uid, User};
use serde::{Deserialize, Serialize};

pub use nix::sys::signal::Signal;

use crate::wait::wait_for;

/// How long a dropped process may take to end before it is killed.
const DROP_GRACE: Duration = Duration::from_secs(2);

/// A program to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What people call it.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, apart from `PATH`, `HOME`, `TMPDIR` and `RUST_BACKTRACE`.
    pub environment: BTreeMap<String, String>,
    /// Where its output is appended.
    pub log: PathBuf,
    /// The user to run as, when not ours.
    pub user: Option<RunAs>,
    /// Sent when we die without a chance to stop it, and when the [`Process`] is dropped.
    pub farewell: Signal,
}

/// An unprivileged user, for programs that refuse to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// The user id.
    pub uid: Uid,
    /// The group id.
    pub gid: Gid,
}

impl RunAs {
    /// `postgres` or `nobody` when we are root, otherwise `None`: we are unprivileged ourselves.
    ///
    /// # Errors
    ///
    /// When root has neither of these users.
    pub fn unprivileged() -> Result<Option<Self>> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Some(Self { uid: user.uid, gid: user.gid }));
            }
        }
        anyhow::bail!(
            "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`"
        )
    }

    /// Makes `command` run as this user, without any further group.
    pub fn apply(self, command: &mut Command) {
        command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
    }
}

/// A process number that cannot be mistaken for a later process with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: i32,
    /// When it was started, in the system's own notation.
    pub started: String,
}

impl ProcessId {
    /// The process with that number, if it runs.
    pub fn of(pid: i32) -> Option<Self> {
        started(pid).map(|started| Self { pid, started })
    }

    /// This program.
    ///
    /// # Errors
    ///
    /// When the system does not say when it was started.
    pub fn current() -> Result<Self> {
        let pid = nix::unistd::getpid().as_raw();
        Self::of(pid).context("cannot see when this process was started")
    }

    /// Whether the process still runs; a number that was given to another process does not count.
    pub fn runs(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.started)
    }

    /// Sends `signal`, unless the process has ended.
    ///
    /// # Errors
    ///
    /// When the system refuses, for example because the process belongs to another user.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if !self.runs() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
            Err(error) => {
                Err(error).with_context(|| format!("cannot send {signal} to {}", self.pid))
            }
        }
    }

    /// Asks the process to end with `signal`, and kills it after `grace`.
    ///
    /// # Errors
    ///
    /// When the system refuses, or even a killed process does not go.
    pub async fn stop(&self, signal: Signal, grace: Duration) -> Result<()> {
        self.signal(signal)?;
        if self.ended(grace).await.is_ok() {
            return Ok(());
        }
        self.signal(Signal::SIGKILL)?;
        self.ended(Duration::from_secs(5)).await
    }

    async fn ended(&self, limit: Duration) -> Result<()> {
        let what = format!("end of process {}", self.pid);
        wait_for(&what, limit, async || Ok((!self.runs()).then_some(()))).await
    }
}

/// When the process was started; `None` when it does not run.
fn started(pid: i32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may itself hold spaces and parentheses.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<_> = fields.split(' ').collect();
        // A zombie has ended; field 22 of proc(5), the 20th from here, is the start time.
        let zombie = matches!(fields.first(), Some(&"Z" | &"X"));
        return fields.get(19).filter(|_| !zombie).map(|ticks| (*ticks).to_owned());
    }
    let output =
        Command::new("ps").args(["-o", "lstart=", "-p"]).arg(pid.to_string()).output().ok()?;
    let started = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!started.is_empty()).then_some(started)
}

/// A child process with a log; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    id: Option<ProcessId>,
    log: PathBuf,
    log_start: u64,
    farewell: Signal,
}

impl Process {
    /// Starts `launch` in a process group of its own, so that Ctrl-C reaches only us and we decide the order.
    ///
    /// # Errors
    ///
    /// When the log cannot be opened or the program cannot be started.
    pub fn spawn(launch: &Launch) -> Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&launch.log)
            .with_context(|| format!("cannot open the log {}", launch.log.display()))?;
        let log_start = log.metadata()?.len();

        let mut command = command_tied_to_us(&launch.program, launch.farewell);
        command
            .args(&launch.args)
            .env_clear()
            .envs(inherited())
            .envs(&launch.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some(user) = launch.user {
            user.apply(&mut command);
        }
        let child = on_spawner(move || command.spawn())?
            .with_context(|| format!("cannot start {}", launch.program.display()))?;
        let id = i32::try_from(child.id()).ok().and_then(ProcessId::of);
        Ok(Self {
            name: launch.name.clone(),
            child,
            id,
            log: launch.log.clone(),
            log_start,
            farewell: launch.farewell,
        })
    }

    /// Number and start time, for a record from which another program can stop it.
    pub fn id(&self) -> Option<&ProcessId> {
        self.id.as_ref()
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// An error with the last lines of the log if the process has ended.
    ///
    /// # Errors
    ///
    /// That error.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    /// Says that it ended, with the last lines that it wrote.
    pub(crate) fn ended(&self, status: ExitStatus) -> anyhow::Error {
        let log = self.log.display();
        match tail(&self.log, self.log_start, 20) {
            Ok(lines) if lines.is_empty() => {
                anyhow::anyhow!("{} ended ({status}) and wrote nothing to {log}", self.name)
            }
            Ok(lines) => anyhow::anyhow!(
                "{} ended ({status}); the end of {log}:\n    {}",
                self.name,
                lines.join("\n    ")
            ),
            Err(error) => {
                error.context(format!("{} ended ({status}), and {log} is unreadable", self.name))
            }
        }
    }

    /// Asks the process to end with `signal`, and kills it after `grace`.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn stop(&mut self, signal: Signal, grace: Duration) -> Result<()> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        self.send(signal)?;
        self.finish(grace).await
    }

    /// Waits for the process to end, and kills it after `grace`.
    pub(crate) async fn finish(&mut self, grace: Duration) -> Result<()> {
        if self.wait(grace).await.is_err() {
            self.kill().await?;
        }
        Ok(())
    }

    /// Ends the process at once (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.wait(Duration::from_secs(5)).await
    }

    async fn wait(&mut self, limit: Duration) -> Result<()> {
        let what = format!("end of {}", self.name);
        let child = &mut self.child;
        wait_for(&what, limit, async || Ok(child.try_wait()?.map(|_| ()))).await
    }

    /// Sends a signal without waiting for what it does.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn send(&self, signal: Signal) -> Result<()> {
        // The number is ours until the child has been waited for, which only this value does.
        let pid = i32::try_from(self.child.id()).context("process number out of range")?;
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
            Err(error) => {
                Err(error).with_context(|| format!("cannot send {signal} to {}", self.name))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let deadline = std::time::Instant::now() + DROP_GRACE;
        if self.send(self.farewell).is_ok() {
            while std::time::Instant::now() < deadline {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // Nothing is left to do about a failure here: the process is gone or not ours to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `program`, which the kernel ends with `signal` when we die, where the system can do that.
fn command_tied_to_us(program: &Path, signal: Signal) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !(cfg!(target_os = "linux") && setpriv.exists()) {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    let signal = signal.as_str().trim_start_matches("SIG");
    command.args(["--pdeathsig", signal, "--"]).arg(program);
    command
}

/// What a child may know of our own environment: too little to change what it does.
fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Runs `spawn` on a thread that lives as long as this program.
///
/// The parent-death signal is sent when the *thread* that started the child ends. The threads of a
/// runtime come and go, and those of tests end with their test.
fn on_spawner<T: Send + 'static>(spawn: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    type Job = Box<dyn FnOnce() + Send>;
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();

    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        std::thread::spawn(move || receiver.into_iter().for_each(|job| job()));
        sender
    });
    let (sender, receiver) = mpsc::sync_channel(1);
    let job = Box::new(move || drop(sender.send(spawn())));
    spawner.send(job).map_err(|error| anyhow::anyhow!("the spawning thread has ended: {error}"))?;
    receiver.recv().context("the spawning thread has ended")
}

/// The last `count` lines of a log, of those after byte `start`.
fn tail(log: &Path, start: u64, count: usize) -> Result<Vec<String>> {
    let mut file = File::open(log)?;
    let from = start.max(file.metadata()?.len().saturating_sub(64 * 1024));
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    Ok(lines.into_iter().rev().take(count).rev().collect())
}
