//! `drill`: faults on purpose, by the same code as the tests.

use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};
use local_stack::binaries::Binaries;
use local_stack::foundry::Foundry;
use tokio::process::Command;

use crate::location::repository;
use crate::ui;

/// Faults on purpose.
#[derive(clap::Args)]
pub(crate) struct Drill {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Kill lanes on a chain that reorganises, forgets and becomes dear: every content must be minted exactly once
    Mint(Mint),
}

/// Kill lanes on a faulty chain.
#[derive(clap::Args)]
struct Mint {
    /// Processes that are killed (SIGKILL) at random; three times as many contents are minted
    #[arg(long, default_value_t = 100)]
    kills: u32,
}

impl Drill {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let What::Mint(Mint { kills }) = self.what;
        Binaries::locate_or_install(&|text: &str| ui::note(text)).await?;
        let anvil = Foundry::Anvil.locate_or_install(true, &|text: &str| ui::note(text)).await?;
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "-p", "minting-worker", "--test", "it", "drill::", "--", "--nocapture"])
            .current_dir(repository())
            .env("PEERLINK_ANVIL", anvil)
            .env("PEERLINK_DRILL_KILLS", kills.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
            .context("cannot start cargo")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
