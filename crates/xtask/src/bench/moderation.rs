//! `bench moderation`: texts per second and core, beside another filter in the same run.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::{location::repository, ui};

/// The analyser beside the word filter rustrict.
#[derive(clap::Args)]
pub(crate) struct Moderation {}

impl Moderation {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        ui::note("building the example `throughput` of content-analysis");
        let status = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--profile", "measure", "--package", "content-analysis"])
            .args(["--example", "throughput"])
            .current_dir(repository())
            .status()
            .await
            .context("cannot start cargo")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
