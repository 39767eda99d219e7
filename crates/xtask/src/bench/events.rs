//! `bench events`: builds `event-bench` optimised, prepares the peers if they are wanted, and runs it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::peers;
use crate::{location::repository, ui};

/// Where the figures are kept, and the page that shows them.
const SAVED: [&str; 2] = ["docs/benchmarks/events.json", "docs/benchmarks/events.md"];

/// The event runtime beside limits of the same run, and beside others.
#[derive(clap::Args)]
pub(crate) struct Events {
    /// Smaller samples: minutes instead of a quarter of an hour
    #[arg(long)]
    quick: bool,
    /// These sections alone: transport, projection, append, latency, recovery, catch-up, poison, peers
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Installs other libraries below `target/` and runs the same trials with them
    #[arg(long)]
    peers: bool,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keeps the figures in `docs/benchmarks/`
    #[arg(long, conflicts_with = "json")]
    save: bool,
}

impl Events {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let root = repository();
        ui::note("building event-bench");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "measure", "--package", "event-bench"])
            .current_dir(&root)
            .status()
            .await
            .context("cannot start cargo")?;
        ensure!(status.success(), "event-bench does not build");
        let manifest = if self.peers { Some(peers::prepare(&root).await?) } else { None };

        let target = peers::target(&root);
        let mut command = Command::new(target.join("measure/event-bench"));
        command.arg("run").arg("--command").arg(self.said()).current_dir(&root);
        if self.quick {
            command.arg("--quick");
        }
        if !self.only.is_empty() {
            command.arg("--only").arg(self.only.join(","));
        }
        if let Some(manifest) = manifest {
            command.arg("--peers").arg(manifest);
        }
        if let Some(json) = &self.json {
            command.arg("--json").arg(json);
        }
        if self.save {
            let [json, page] = SAVED;
            std::fs::create_dir_all(root.join("docs/benchmarks"))?;
            command.arg("--json").arg(json).arg("--page").arg(page);
        }
        let status = command.status().await.context("cannot start event-bench")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The command line that people repeat.
    fn said(&self) -> String {
        let mut words = vec!["cargo xtask bench events".to_owned()];
        if self.quick {
            words.push("--quick".to_owned());
        }
        if !self.only.is_empty() {
            words.push(format!("--only {}", self.only.join(",")));
        }
        if self.peers {
            words.push("--peers".to_owned());
        }
        if self.save {
            words.push("--save".to_owned());
        }
        words.join(" ")
    }
}
