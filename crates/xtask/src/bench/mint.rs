//! `bench mint`: builds the minting worker and `mint-bench` optimised, and runs the one against the other.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use local_stack::{binaries::Binaries, foundry::Foundry};
use tokio::process::Command;

use super::peers;
use crate::{location::repository, ui};

/// Where the figures are kept, and the page that shows them.
const SAVED: [&str; 2] = ["docs/benchmarks/mint.json", "docs/benchmarks/mint.md"];

/// The whole minting worker beside the limit of the chain's gas.
#[derive(clap::Args)]
pub(crate) struct Mint {
    /// Blocks to fill; fewer are quicker and say less
    #[arg(long, default_value_t = 60)]
    blocks: u64,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keeps the figures in `docs/benchmarks/`
    #[arg(long, conflicts_with = "json")]
    save: bool,
}

impl Mint {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let root = repository();
        Binaries::locate_or_install(&|text: &str| ui::note(text)).await?;
        Foundry::Anvil.locate_or_install(true, &|text: &str| ui::note(text)).await?;
        ui::note("building minting-worker and mint-bench");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "measure", "--bins"])
            .args(["--package", "minting-worker", "--package", "mint-bench"])
            .current_dir(&root)
            .status()
            .await
            .context("cannot start cargo")?;
        ensure!(status.success(), "they do not build");
        let programs = peers::target(&root).join("measure");
        let mut command = Command::new(programs.join("mint-bench"));
        command.arg("--worker").arg(programs.join("minting-worker")).current_dir(&root);
        command.args(["--command", &self.said(), "--blocks", &self.blocks.to_string()]);
        if let Some(json) = &self.json {
            command.arg("--json").arg(json);
        }
        if self.save {
            let [json, page] = SAVED;
            command.args(["--json", json, "--page", page]);
        }
        let status = command.status().await.context("cannot start mint-bench")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The command line that people repeat.
    fn said(&self) -> String {
        let save = if self.save { " --save" } else { "" };
        format!("cargo xtask bench mint --blocks {}{save}", self.blocks)
    }
}
