//! A private Redis server.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::binaries::RedisBinary;
use crate::ports;
use crate::process::{Launch, Process, ProcessId, Signal};
use crate::secrets::ADMIN;
use crate::wait::wait_for;

/// How long a start may take; it reads all data first.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a stop may take, which writes everything to disk.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Who may sign in.
#[derive(Clone, Debug)]
pub enum Access {
    /// Anyone on this machine, for anything.
    Open,
    /// The users of an ACL file.
    Users {
        /// The file's text, see [`crate::acl::render`].
        acl: String,
        /// The password in it of the user `admin`.
        admin_password: String,
    },
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The program.
    pub binary: RedisBinary,
    /// Where the data goes, in `redis/`, and the log.
    pub dir: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// Who may sign in.
    pub access: Access,
    /// More arguments of the program, such as `["--cluster-enabled", "yes"]`.
    pub more: Vec<String>,
}

/// A running server, which stops when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    launch: Launch,
    data: PathBuf,
    port: u16,
    admin_password: Option<String>,
    process: Process,
}

impl RedisServer {
    /// Starts a server with the data that the directory holds.
    ///
    /// # Errors
    ///
    /// When the server ends early or does not answer.
    pub async fn start(options: RedisOptions) -> Result<Self> {
        let data = options.dir.join("redis");
        std::fs::create_dir_all(&data)?;
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700))?;
        let data = data.canonicalize()?;
        let (launch, admin_password) = launch(&options, &data)?;
        let process = start(&launch, options.port, admin_password.as_deref()).await?;
        Ok(Self { launch, data, port: options.port, admin_password, process })
    }

    /// Starts a server without users on any free port: for the tests of one crate.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::start`], or Redis is not installed.
    pub async fn start_bare(dir: &Path) -> Result<Self> {
        Self::start_bare_with(dir, &[]).await
    }

    /// The same with more arguments of the program.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::start_bare`].
    pub async fn start_bare_with(dir: &Path, more: &[&str]) -> Result<Self> {
        let binary = RedisBinary::locate()?;
        let mut attempts = 0;
        loop {
            let started = Self::start(RedisOptions {
                binary: binary.clone(),
                dir: dir.to_owned(),
                port: ports::free_port()?,
                access: Access::Open,
                more: more.iter().map(|argument| (*argument).to_owned()).collect(),
            });
            // Another program may have taken the port between our look and the server's.
            match started.await {
                Err(_) if attempts < 4 => attempts += 1,
                result => return result,
            }
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Number and start time of the server.
    pub fn process_id(&self) -> Option<&ProcessId> {
        self.process.id()
    }

    /// The URL with all rights: without a user for a bare server, else of the user `admin`.
    pub fn url(&self) -> String {
        match &self.admin_password {
            Some(password) => self.user_url(ADMIN, password),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// The URL of one user.
    pub fn user_url(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Whether the server runs.
    ///
    /// # Errors
    ///
    /// With the end of its log when it has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running()
    }

    /// Stops the server; all its data is on disk afterwards.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop(Signal::SIGTERM, STOP_LIMIT).await
    }

    /// Kills the server as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Starts a stopped or killed server again, with the same port and data.
    ///
    /// # Errors
    ///
    /// As [`RedisServer::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.process = start(&self.launch, self.port, self.admin_password.as_deref()).await?;
        Ok(())
    }

    /// Deletes the data of a stopped or killed server, as the loss of its disk would.
    ///
    /// # Errors
    ///
    /// When the server runs or a file cannot be deleted.
    pub fn lose_data(&mut self) -> Result<()> {
        if self.process.exit_status()?.is_none() {
            bail!("Redis runs: its data cannot be deleted");
        }
        let files = self.data.join("appendonlydir");
        if files.exists() {
            std::fs::remove_dir_all(files)?;
        }
        Ok(())
    }
}

fn launch(options: &RedisOptions, data: &Path) -> Result<(Launch, Option<String>)> {
    let port = options.port.to_string();
    let dir = data.to_string_lossy();
    let mut args: Vec<String> = [
        ["--port", &port],
        ["--bind", "127.0.0.1"],
        ["--dir", &dir],
        ["--appendonly", "yes"],
        ["--appendfsync", "everysec"],
        ["--save", ""],
        ["--maxmemory-policy", "noeviction"],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .chain(options.more.iter().cloned())
    .collect();

    let admin_password = match &options.access {
        Access::Open => None,
        Access::Users { acl, admin_password } => {
            let file = data.join("users.acl");
            std::fs::write(&file, acl)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            args.extend(["--aclfile".to_owned(), file.to_string_lossy().into_owned()]);
            Some(admin_password.clone())
        }
    };
    let mut environment = BTreeMap::new();
    if let Some(path) = &options.binary.library_path {
        environment.insert("LD_LIBRARY_PATH".to_owned(), path.to_string_lossy().into_owned());
    }
    let launch = Launch {
        name: "Redis".to_owned(),
        program: options.binary.server.clone(),
        args,
        environment,
        log: options.dir.join("redis.log"),
        user: None,
        // What it has acknowledged is with the operating system: a kill loses nothing and is quick.
        farewell: Signal::SIGKILL,
    };
    Ok((launch, admin_password))
}

/// Starts the server and waits until it answers.
async fn start(launch: &Launch, port: u16, admin_password: Option<&str>) -> Result<Process> {
    let mut process = Process::spawn(launch)?;
    // Another Redis may sit on the port while ours is still failing to take it.
    let ours = format!("\r\nprocess_id:{}\r\n", process.pid());
    wait_for("start of Redis", START_LIMIT, async || {
        process.ensure_running()?;
        match greeting(port, admin_password).await {
            Ok(answer) if answer.contains("+PONG") && answer.contains(&ours) => Ok(Some(())),
            // Not listening yet, still reading its data (-LOADING), or not ours.
            Ok(_) | Err(_) => Ok(None),
        }
    })
    .await?;
    Ok(process)
}

/// What the server answers to PING and INFO, after signing in.
async fn greeting(port: u16, admin_password: Option<&str>) -> Result<String> {
    let sign_in = admin_password.map(|password| format!("AUTH {ADMIN} {password}\r\n"));
    let request = format!("{}PING\r\nINFO server\r\nQUIT\r\n", sign_in.unwrap_or_default());
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    tokio::time::timeout(Duration::from_secs(1), talk).await.context("Redis does not answer")?
}
