//! `bench moderation-replay`: stores judgements of generated texts, and makes all of them again.

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use super::peers;
use crate::{location::repository, ui};

/// Judgements on record, made again.
#[derive(clap::Args)]
pub(crate) struct ModerationReplay {
    /// How many texts
    #[arg(long, default_value_t = 1_000_000)]
    texts: u64,
}

impl ModerationReplay {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let root = repository();
        ui::note("building event-bench and plctl");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "measure"])
            .args(["--package", "event-bench", "--package", "plctl"])
            .current_dir(&root)
            .status()
            .await
            .context("cannot start cargo")?;
        ensure!(status.success(), "event-bench and plctl do not build");
        let target = peers::target(&root).join("measure");
        let status = Command::new(target.join("event-bench"))
            .args(["judgements", "--texts", &self.texts.to_string(), "--plctl"])
            .arg(target.join("plctl"))
            .current_dir(&root)
            .status()
            .await
            .context("cannot start event-bench")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
