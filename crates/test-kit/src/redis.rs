//! A private Redis per test.

use std::{fs::OpenOptions, path::PathBuf};

use anyhow::{Context as _, Result};
use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{
        Builder, ClusterHash, CustomCommand, FromValue, Value,
        config::{Config, ReconnectPolicy},
    },
};
use local_stack::redis::RedisServer;
use tempfile::TempDir;

/// A Redis server with an append-only file (`appendfsync everysec`) on a free port; it ends when this is dropped.
pub struct TestRedis {
    server: RedisServer,
    directory: TempDir,
    client: Client,
}

impl TestRedis {
    /// Starts a server without data.
    ///
    /// # Errors
    ///
    /// When Redis is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let server = RedisServer::start_bare(directory.path()).await?;
        let client = connect(&server.url()).await?;
        Ok(Self { server, directory, client })
    }

    /// Its URL, with all rights.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A client of the test's own, which reconnects after a restart.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends any command, such as `["XLEN", "ev:{post.p0}:e1"]`.
    ///
    /// # Errors
    ///
    /// What Redis answers, or when it does not.
    pub async fn command<R: FromValue>(&self, words: &[&str]) -> Result<R> {
        let arguments = words.iter().map(|word| Value::from(*word)).collect();
        self.command_of_bytes(arguments).await.with_context(|| words.join(" "))
    }

    /// Sends any command whose arguments need not be text.
    ///
    /// # Errors
    ///
    /// What Redis answers, or when it does not.
    pub async fn command_of_bytes<R: FromValue>(&self, words: Vec<Value>) -> Result<R> {
        send(&self.client, ClusterHash::FirstKey, words).await
    }

    /// Forgets everything.
    ///
    /// # Errors
    ///
    /// When Redis does not answer.
    pub async fn flushall(&self) -> Result<()> {
        self.command(&["FLUSHALL"]).await
    }

    /// Makes sure that all that was answered is in the append-only file too. With `appendfsync everysec` the server
    /// answers without writing while it still waits for the disk, for up to two seconds: a kill loses that.
    ///
    /// # Errors
    ///
    /// When something is still to be written, or Redis does not answer.
    pub async fn has_logged_all(&self) -> Result<()> {
        let persistence: String = self.command(&["INFO", "persistence"]).await?;
        let is_written = persistence.lines().any(|line| line == "aof_buffer_length:0");
        anyhow::ensure!(is_written, "not all is written yet: {persistence}");
        Ok(())
    }

    /// Ends the server as a crash would (SIGKILL).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.server.kill().await
    }

    /// Starts a killed server again, or stops and starts a running one: same port, same data.
    ///
    /// # Errors
    ///
    /// When the server does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.server.restart().await
    }

    /// Cuts off the second half of what a killed server has logged, as a crash of the machine can.
    ///
    /// # Errors
    ///
    /// When there is no append-only file.
    pub fn truncate_aof(&self) -> Result<()> {
        let log = self.append_only_file()?;
        let file = OpenOptions::new().write(true).open(&log)?;
        let length = file.metadata()?.len();
        Ok(file.set_len(length / 2)?)
    }

    fn append_only_file(&self) -> Result<PathBuf> {
        let directory = self.directory.path().join("redis/appendonlydir");
        std::fs::read_dir(directory)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .context("no append-only file")
    }
}

/// Sends any command to the node that has the slot.
pub(crate) async fn send<R: FromValue>(
    client: &Client,
    slot: ClusterHash,
    words: Vec<Value>,
) -> Result<R> {
    let mut words = words.into_iter();
    let name = words.next().and_then(|name| name.as_string()).context("no command")?;
    let command = CustomCommand::new(name, slot, false);
    Ok(client.custom(command, words.collect::<Vec<_>>()).await?)
}

/// A connected client.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let client = Builder::from_config(Config::from_url(url)?)
        .set_policy(ReconnectPolicy::new_constant(0, 20))
        .build()?;
    drop(client.init().await?);
    Ok(client)
}
