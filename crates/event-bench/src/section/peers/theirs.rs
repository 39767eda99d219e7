//! Somebody else's library, behind the two commands that all peers have.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use fred::{
    interfaces::{ClientLike as _, StreamsInterface as _},
    types::{ClusterHash, CustomCommand},
};
use local_stack::process::{Launch, Process, Signal};

use super::{
    Manifest,
    trial::{AGGREGATES, Contestant, Handled, Outcome, PATIENCE, Trial, lines},
};
use crate::bed::Ground;

const KEY: &str = "peer";

pub(super) struct Theirs {
    manifest: Manifest,
}

impl Theirs {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { manifest }
    }

    fn consumer(&self, ground: &Ground, directory: &Path, member: usize) -> Result<Process> {
        let (program, before) = self.manifest.command.split_first().context("no command")?;
        let log = log(directory, member).to_string_lossy().into_owned();
        let member = format!("m{member}");
        let ours = ["consume", &ground.redis.url(), KEY, &member, &log].map(str::to_owned);
        Process::spawn(&Launch {
            name: self.manifest.name.clone(),
            program: program.into(),
            args: [before, &ours].concat(),
            environment: self.manifest.environment.clone(),
            log: directory.join("consumer.log"),
            user: None,
            farewell: Signal::SIGKILL,
        })
    }

    /// Seconds that publishing took, as the publisher says.
    async fn produce(&self, ground: &Ground, trial: Trial) -> Result<f64> {
        let (program, before) = self.manifest.command.split_first().context("no command")?;
        let began = Instant::now();
        let numbers = [trial.events, AGGREGATES, trial.rate].map(|number| number.to_string());
        let output = tokio::process::Command::new(program)
            .args(before)
            .args(["produce", &ground.redis.url(), KEY])
            .args(numbers)
            .envs(&self.manifest.environment)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_mins(2), output).await??;
        let text = String::from_utf8_lossy(&output.stdout);
        // What Redis forgets while a publisher writes may be an error to it, and is part of the trial.
        if !output.status.success() && trial.is_disturbed() {
            return Ok(began.elapsed().as_secs_f64());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the publisher failed: {}", errors.trim());
        let last = text.lines().last().context("the publisher said nothing")?;
        let said: serde_json::Value = serde_json::from_str(last)?;
        said.get("seconds").and_then(serde_json::Value::as_f64).context("no seconds")
    }

    async fn spoil(&self, ground: &Ground) -> Result<()> {
        let redis = ground.redis_client().await?;
        if self.manifest.is_stream {
            redis
                .xadd::<(), _, _, _, _>(KEY, false, None, "*", vec![("nonsense", "\u{0}")])
                .await?;
        } else {
            let push = CustomCommand::new_static("LPUSH", ClusterHash::FirstKey, false);
            redis
                .custom::<(), _>(push, vec![format!("bull:{KEY}:wait"), "nonsense".to_owned()])
                .await?;
        }
        Ok(redis.quit().await?)
    }
}

impl Contestant for Theirs {
    fn name(&self) -> String {
        self.manifest.name.clone()
    }

    fn throughput_events(&self) -> u64 {
        self.manifest.events
    }

    async fn run(&mut self, ground: &mut Ground, trial: Trial) -> Result<Outcome> {
        let directory = tempfile::tempdir()?;
        let redis = ground.redis_client().await?;
        redis.flushall::<()>(false).await?;
        let mut consumers = Vec::new();
        for member in 0..trial.consumers {
            consumers.push(self.consumer(ground, directory.path(), member)?);
        }
        // Until their group is there: a message before it would be no fault of theirs.
        tokio::time::sleep(Duration::from_secs(3)).await;
        for consumer in &mut consumers {
            consumer.ensure_running()?;
        }

        let disturb = async {
            trial.moment(async || Ok(all(directory.path(), trial)?.len())).await?;
            if trial.kill
                && let Some(first) = consumers.first_mut()
            {
                first.kill().await?;
            }
            if trial.flush {
                redis.flushall::<()>(false).await?;
            }
            if trial.malformed {
                self.spoil(ground).await?;
            }
            anyhow::Ok(())
        };
        let (published_in, disturbed) = tokio::join!(self.produce(ground, trial), async {
            if trial.is_disturbed() { disturb.await } else { Ok(()) }
        });
        disturbed?;
        let published_in = published_in?;

        let mut seen = (0, Instant::now());
        loop {
            let handled = all(directory.path(), trial)?;
            if handled.len() > seen.0 {
                seen = (handled.len(), Instant::now());
            }
            let outcome = Outcome::of(trial, published_in, handled);
            // After a kill somebody may yet handle again what is handled already.
            let is_done = outcome.lost == 0 && (!trial.kill || seen.1.elapsed() > PATIENCE / 2);
            if is_done || seen.1.elapsed() > PATIENCE {
                redis.quit().await?;
                return Ok(outcome);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What all consumers have handled.
fn all(directory: &Path, trial: Trial) -> Result<Vec<Handled>> {
    let mut handled = Vec::new();
    for member in 0..trial.consumers {
        handled.extend(lines(&log(directory, member))?);
    }
    Ok(handled)
}

fn log(directory: &Path, member: usize) -> PathBuf {
    directory.join(format!("m{member}.lines"))
}
