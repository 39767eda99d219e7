//! Taking parts of a running stack down, and bringing them back.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{STOP_LIMIT, Stack};
use crate::process::{ProcessId, Signal};
use crate::state;

impl Stack {
    /// Every process of the stack by name, as it was started last; one that was killed may be among them.
    pub async fn processes(&self) -> BTreeMap<String, ProcessId> {
        self.state.lock().await.processes.clone()
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
}
