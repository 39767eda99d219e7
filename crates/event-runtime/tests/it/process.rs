//! Processes of a service that a test can stop, continue and kill.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::world::World;

/// A running `fault-worker`; it is killed when this is dropped.
pub(crate) struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Publishes the events of `post`.
    pub(crate) async fn relay(world: &World, redis_url: &str) -> Self {
        Self::spawn("relay", &world.post_url, redis_url, world, &[]).await
    }

    /// Applies them in `engagement`.
    pub(crate) async fn tally(world: &World, redis_url: &str) -> Self {
        Self::spawn("tally", &world.engagement_url, redis_url, world, &[]).await
    }

    /// The same as `role` of the worker: `tally-lanes`, `tally-shared`, `tally-v2`.
    pub(crate) async fn variant(world: &World, role: &str, redis_url: &str) -> Self {
        Self::spawn(role, &world.engagement_url, redis_url, world, &[]).await
    }

    /// Waits until the process has ended by itself; gives it back if it does not.
    pub(crate) async fn ends_by_itself(mut self) -> Result<(), Self> {
        // Longer than it takes to get the lease of another that ended.
        match tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await {
            Ok(status) => {
                assert!(!status.unwrap().success());
                Ok(())
            }
            Err(_) => Err(self),
        }
    }

    /// Records `events` events of each of `counters` counters, and publishes them.
    pub(crate) async fn append(world: &World, redis_url: &str, counters: u32, events: u32) -> Self {
        let (counters, events) = (counters.to_string(), events.to_string());
        Self::spawn("append", &world.post_url, redis_url, world, &[&counters, &events]).await
    }

    /// Applies the parked events of a counter.
    pub(crate) async fn redrive(world: &World, counter: uuid::Uuid) -> Self {
        let counter = counter.to_string();
        Self::spawn("redrive", &world.engagement_url, &world.redis.url(), world, &[&counter]).await
    }

    /// Makes the projection of `engagement` again, and ends.
    pub(crate) async fn rebuild(world: &World) -> Self {
        Self::spawn("rebuild", &world.engagement_url, &world.redis.url(), world, &[]).await
    }

    async fn spawn(
        role: &str,
        database_url: &str,
        redis_url: &str,
        world: &World,
        more: &[&str],
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fault-worker"))
            .args([role, database_url, redis_url, &world.partitions.to_string()])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, lines };
        worker.says("ready").await;
        worker
    }

    /// Waits for a word.
    pub(crate) async fn says(&mut self, word: &str) {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await;
        assert_eq!(line.unwrap().unwrap().as_deref(), Some(word));
    }

    /// SIGKILL, and waits for the end.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and waits for the end, which must be a good one.
    pub(crate) async fn terminate(mut self) {
        self.signal(Signal::SIGTERM);
        let status = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        assert!(status.unwrap().unwrap().success());
    }

    /// SIGSTOP: alive, and doing nothing.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub(crate) fn proceed(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }
}
