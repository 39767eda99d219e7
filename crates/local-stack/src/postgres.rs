//! A private PostgreSQL server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::binaries::PostgresBinaries;
use crate::process::{Launch, Process, ProcessId, RunAs, Signal};
use crate::provision::{identifier, provision};
use crate::secrets::ADMIN;
use crate::wait::wait_for;

/// How long a start may take; recovery after a kill reads the write-ahead log first.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a fast shutdown may take, which writes a checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How to start a server.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The programs.
    pub binaries: PostgresBinaries,
    /// Where the data goes, in `postgres/`, and the log. When we are root it must be a directory that
    /// others may enter (see [`crate::scratch_dir`]), else the data goes to the system's temporary directory.
    pub dir: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The superuser's password; it must stay the same for the same data.
    pub admin_password: String,
    /// `false` loses data when the machine (not the server) crashes, and is faster: for tests.
    pub durable: bool,
}

/// A running server, which stops when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    binaries: PostgresBinaries,
    port: u16,
    admin_password: String,
    /// `None` for a server that another program started and will stop.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    launch: Launch,
    data: PathBuf,
    process: Process,
}

impl Postgres {
    /// Starts a server, on new data if there is none yet.
    ///
    /// # Errors
    ///
    /// When the data cannot be made, the server ends early or is not ready within a minute.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let user = RunAs::unprivileged()?;
        std::fs::create_dir_all(&options.dir)?;
        let dir = options.dir.canonicalize()?;
        let data = place(&dir, user)?;
        if !data.join("PG_VERSION").exists() {
            let binaries = options.binaries.clone();
            let (data, password) = (data.clone(), options.admin_password.clone());
            let durable = options.durable;
            tokio::task::spawn_blocking(move || {
                initialise(&binaries, &data, &password, user, durable)
            })
            .await??;
        }
        let launch = launch(&options, &dir, &data, user);
        let process = start(&launch, &data).await?;
        Ok(Self {
            binaries: options.binaries,
            port: options.port,
            admin_password: options.admin_password,
            own: Some(Own { launch, data, process }),
        })
    }

    /// A server that already runs on 127.0.0.1; dropping this leaves it alone.
    pub fn attach(binaries: PostgresBinaries, port: u16, admin_password: String) -> Self {
        Self { binaries, port, admin_password, own: None }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the data is; `None` for an attached server.
    pub fn data_dir(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.data.as_path())
    }

    /// Number and start time of the server; `None` for an attached one.
    pub fn process_id(&self) -> Option<&ProcessId> {
        self.own.as_ref().and_then(|own| own.process.id())
    }

    /// The URL with which `role` reaches `database`.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The superuser's URL of `database`.
    pub fn admin_url(&self, database: &str) -> String {
        self.url(ADMIN, &self.admin_password, database)
    }

    /// Makes `database` with one role and schema per service; what is there already stays.
    ///
    /// # Errors
    ///
    /// The error of `password_of`, or what `psql` says.
    pub async fn provision(
        &self,
        database: &str,
        password_of: impl Fn(&str) -> Result<String>,
    ) -> Result<()> {
        let parts = provision(database, password_of)?;
        self.execute("postgres", &parts.cluster).await?;
        self.execute(database, &parts.database).await
    }

    /// Makes a database, as a copy of `template` if one is named.
    ///
    /// # Errors
    ///
    /// When it exists, or someone is connected to the template.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<()> {
        let template = template
            .map(|template| format!(" TEMPLATE {}", identifier(template)))
            .unwrap_or_default();
        self.execute("postgres", &format!("CREATE DATABASE {}{template};", identifier(name))).await
    }

    /// Removes a database, whoever is connected to it.
    ///
    /// # Errors
    ///
    /// What `psql` says.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE);", identifier(name));
        self.execute("postgres", &drop).await
    }

    /// Runs a psql script as the superuser, up to its first error.
    ///
    /// # Errors
    ///
    /// What `psql` says.
    pub async fn execute(&self, database: &str, script: &str) -> Result<()> {
        let mut command = self.binaries.command(&self.binaries.directory.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        command
            .args(["-h", "127.0.0.1", "-U", ADMIN, "-d", database, "-p"])
            .arg(self.port.to_string());
        command
            .env("PGPASSWORD", &self.admin_password)
            .env("PGOPTIONS", "-c client_min_messages=warning");
        let script = script.to_owned();
        tokio::task::spawn_blocking(move || run(command, Some(&script))).await?
    }

    /// Whether the server runs.
    ///
    /// # Errors
    ///
    /// With the end of its log when it has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.own.as_mut().map_or(Ok(()), |own| own.process.ensure_running())
    }

    /// Stops the server: running transactions are rolled back, connections closed.
    ///
    /// # Errors
    ///
    /// When the system refuses. An attached server is left alone.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        own.process.stop(Signal::SIGINT, STOP_LIMIT).await
    }

    /// Kills the server as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses, or the server is an attached one.
    pub async fn kill(&mut self) -> Result<()> {
        self.owned()?.process.kill().await
    }

    /// Starts a stopped or killed server again, with the same port and data.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`], or the server is an attached one.
    pub async fn restart(&mut self) -> Result<()> {
        let own = self.owned()?;
        own.process.stop(Signal::SIGINT, STOP_LIMIT).await?;
        own.process = start(&own.launch, &own.data).await?;
        Ok(())
    }

    fn owned(&mut self) -> Result<&mut Own> {
        self.own.as_mut().context("this PostgreSQL was started by another program")
    }
}

/// The data directory: below `dir`, or below the system's temporary directory when the user that
/// PostgreSQL runs as cannot reach `dir`, for example a checkout below `/root`.
fn place(dir: &Path, user: Option<RunAs>) -> Result<PathBuf> {
    let data = dir.join("postgres");
    let Some(user) = user else { return Ok(data) };
    create_for(&data, user)?;
    if reachable(&data, user)? {
        return Ok(data);
    }
    let path = dir.as_os_str().as_encoded_bytes();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, path);
    let name = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..9).unwrap_or_default());
    let elsewhere = std::env::temp_dir().join(format!("peerlink-postgres-{name}"));
    create_for(&elsewhere, user)?;
    if reachable(&elsewhere, user)? {
        // A directory that nobody can use would only puzzle people; one with data is left to them.
        if std::fs::read_dir(&data)?.next().is_none() {
            std::fs::remove_dir(&data)?;
        }
        return Ok(elsewhere);
    }
    bail!("user {} can reach neither {} nor {}", user.uid, data.display(), elsewhere.display())
}

/// Makes a directory that only `user` can enter.
///
/// What is there already must be a directory of his or of root: in a directory that everybody may write
/// to, anything else may be another user's trap.
fn create_for(data: &Path, user: RunAs) -> Result<()> {
    if let Err(error) = std::fs::create_dir(data)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("cannot make {}", data.display()));
    }
    let found = std::fs::symlink_metadata(data)?;
    if !found.is_dir() || !(found.uid() == 0 || found.uid() == user.uid.as_raw()) {
        bail!("{} belongs to someone else", data.display());
    }
    nix::unistd::chown(data, Some(user.uid), Some(user.gid))?;
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn reachable(data: &Path, user: RunAs) -> Result<bool> {
    let mut command = Command::new("sh");
    command.args(["-c", "cd \"$0\" 2>/dev/null && test -w ."]).arg(data).current_dir("/");
    user.apply(&mut command);
    Ok(command.status().context("cannot start sh")?.success())
}

/// Makes new data, with the password from standard input: arguments can be read by everyone.
///
/// The other user may not open our pipe as `/dev/stdin`, so the password takes a file of his own.
const INITIALISE: &str = r#"
set -e
umask 077
password=$(mktemp)
trap 'rm -f "$password"' EXIT
cat > "$password"
"$0" "$@" --pwfile="$password"
"#;

fn initialise(
    binaries: &PostgresBinaries,
    data: &Path,
    password: &str,
    user: Option<RunAs>,
    durable: bool,
) -> Result<()> {
    let mut command = binaries.command(Path::new("/bin/sh"));
    command
        .args(["-c", INITIALISE])
        .arg(binaries.directory.join("initdb"))
        .arg("-D")
        .arg(data)
        .args(["-U", ADMIN, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-instructions"])
        .current_dir("/");
    if !durable {
        command.arg("--no-sync");
    }
    if let Some(user) = user {
        user.apply(&mut command);
    }
    run(command, Some(password)).context("cannot initialise PostgreSQL's data")
}

fn launch(options: &PostgresOptions, dir: &Path, data: &Path, user: Option<RunAs>) -> Launch {
    let port = options.port.to_string();
    let mut settings = vec![
        "listen_addresses=127.0.0.1",
        // A socket's path may not be longer than 107 bytes, and nobody needs it.
        "unix_socket_directories=",
        "max_connections=400",
        "deadlock_timeout=100ms",
        "idle_in_transaction_session_timeout=60s",
    ];
    if !options.durable {
        // Not `synchronous_commit=off`: that would lose commits when only the server is killed.
        settings.extend(["fsync=off", "full_page_writes=off"]);
    }
    let mut args =
        vec!["-D".to_owned(), data.to_string_lossy().into_owned(), "-p".to_owned(), port];
    args.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
    let mut environment = BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]);
    if let Some(path) = &options.binaries.library_path {
        environment.insert("LD_LIBRARY_PATH".to_owned(), path.to_string_lossy().into_owned());
    }
    Launch {
        name: "PostgreSQL".to_owned(),
        program: options.binaries.directory.join("postgres"),
        args,
        environment,
        log: dir.join("postgres.log"),
        user,
        farewell: Signal::SIGQUIT,
    }
}

/// Starts the server and waits until it takes connections.
async fn start(launch: &Launch, data: &Path) -> Result<Process> {
    let mut process = Process::spawn(launch)?;
    let pid_file = data.join("postmaster.pid");
    wait_for("start of PostgreSQL", START_LIMIT, async || {
        if let Some(status) = process.exit_status()? {
            let error = process.ended(status);
            // Children of a killed server take a moment to notice that it is gone.
            if error.to_string().contains("shared memory block") {
                process = Process::spawn(launch)?;
                return Ok(None);
            }
            return Err(error);
        }
        // The server writes its number into the first line and its state into the eighth.
        let Ok(text) = std::fs::read_to_string(&pid_file) else { return Ok(None) };
        let mut lines = text.lines();
        let pid = lines.next().and_then(|line| line.trim().parse::<u32>().ok());
        let ready = lines.nth(6).is_some_and(|state| state.trim() == "ready");
        Ok((ready && pid == Some(process.pid())).then_some(()))
    })
    .await?;
    Ok(process)
}

/// Runs a command to its end; its error output becomes the error.
fn run(mut command: Command, input: Option<&str>) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let written = input.map_or(Ok(()), |input| stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output()?;
    if output.status.success() {
        return written.with_context(|| format!("{program} did not read its input"));
    }
    bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())
}
