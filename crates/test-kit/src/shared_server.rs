//! One PostgreSQL server for all test processes of a user, so that `cargo nextest run -p X` works by itself.
//!
//! The first process that needs it starts it, under a file lock; the others find it. It ends by itself when no test has
//! asked for it for a quarter of an hour. Its data is worthless, so it does not wait for disks.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use local_stack::{binaries::PostgresBinaries, ports::free_port, process::RunAs};
use nix::fcntl::{Flock, FlockArg};
use tokio::net::TcpStream;

/// Stops the server when `used` has not been touched for 15 minutes. `$0` is `pg_ctl`, `$1` the
/// data, `$2` the file `used`.
const WATCHDOG: &str = r#"
while sleep 20; do
  "$0" -D "$1" status >/dev/null || exit 0
  [ -n "$(find "$2" -mmin -15)" ] || exec "$0" -D "$1" -m fast stop
done
"#;

/// The superuser's URL of the shared server, which is started if it does not run.
pub(crate) async fn url() -> Result<String> {
    let server = Server::new()?;
    let directory = server.directory.clone();
    let _lock = tokio::task::spawn_blocking(move || lock(&directory)).await??;
    File::create(server.directory.join("used"))?;
    if let Some(url) = server.running().await {
        return Ok(url);
    }
    tokio::task::spawn_blocking(move || server.start()).await?
}

struct Server {
    directory: PathBuf,
    binaries: PostgresBinaries,
    user: Option<RunAs>,
}

impl Server {
    fn new() -> Result<Self> {
        let user = RunAs::unprivileged()?;
        let id = nix::unistd::geteuid();
        // Not below `target`: the user that PostgreSQL runs as when we are root may not be able to reach it.
        let directory = std::env::temp_dir().join(format!("peerlink-test-postgres-{id}"));
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&directory)?;
        let found = fs::symlink_metadata(&directory)?;
        ensure!(
            found.is_dir() && found.uid() == id.as_raw(),
            "{} belongs to someone else",
            directory.display()
        );
        Ok(Self { directory, binaries: PostgresBinaries::locate()?, user })
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The URL, if the port that was chosen last answers.
    async fn running(&self) -> Option<String> {
        let port = fs::read_to_string(self.directory.join("port")).ok()?.parse().ok()?;
        let pid_file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let listens_there = pid_file.lines().nth(3) == Some(&format!("{port}"));
        TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        if listens_there { self.url(port).ok() } else { None }
    }

    fn url(&self, port: u16) -> Result<String> {
        let password = fs::read_to_string(self.directory.join("password"))?;
        Ok(format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"))
    }

    fn start(&self) -> Result<String> {
        if let Ok(url) = self.try_start() {
            return Ok(url);
        }
        // Data of another PostgreSQL version, or a machine that crashed without waiting for disks.
        fs::remove_dir_all(self.data())?;
        self.try_start()
    }

    fn try_start(&self) -> Result<String> {
        if !self.data().join("PG_VERSION").exists() {
            self.initialise()?;
        }
        let port = free_port()?;
        let settings = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=400 \
             -c fsync=off -c full_page_writes=off -c deadlock_timeout=100ms -c authentication_timeout=5s"
        );
        let log = self.directory.join("log");
        let log = log.to_string_lossy();
        self.run("pg_ctl", &["-l", &log, "-o", &settings, "-w", "start"])?;
        fs::write(self.directory.join("port"), port.to_string())?;
        self.watch()?;
        self.url(port)
    }

    fn initialise(&self) -> Result<()> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).context("no randomness")?;
        let password = format!("{:032x}", u128::from_le_bytes(random));
        let file = self.directory.join("password");
        fs::write(&file, password)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        let log = self.directory.join("log");
        File::create(&log)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.data())?;
        if let Some(user) = self.user {
            for path in [&file, &log, &self.data()] {
                nix::unistd::chown(path, Some(user.uid), Some(user.gid))?;
            }
        }
        let password_file = format!("--pwfile={}", file.display());
        let arguments = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"];
        self.run("initdb", &[&arguments[..], &["--no-sync", &password_file]].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        // Files and not pipes: the server inherits them, and a pipe would never end.
        let output = tempfile::tempfile()?;
        let mut command = self.command(&self.binaries.directory.join(program));
        command.arg("-D").arg(self.data()).args(arguments);
        command.stdout(output.try_clone()?).stderr(output.try_clone()?);
        let status = command.status().with_context(|| format!("cannot start {program}"))?;
        if !status.success() {
            let mut output = output;
            std::io::Seek::rewind(&mut output)?;
            bail!("{program}: {}", std::io::read_to_string(output)?.trim());
        }
        Ok(())
    }

    fn watch(&self) -> Result<()> {
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", WATCHDOG]).arg(self.binaries.directory.join("pg_ctl"));
        command.arg(self.data()).arg(self.directory.join("used"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(())
    }

    /// A command of the server's user, in a process group of its own: it outlives this process.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).process_group(0);
        if let Some(path) = &self.binaries.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        if let Some(user) = self.user {
            user.apply(&mut command);
        }
        command
    }
}

fn lock(directory: &Path) -> Result<Flock<File>> {
    let file = File::create(directory.join("lock"))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
}
