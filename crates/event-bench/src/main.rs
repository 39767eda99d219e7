//! `event-bench`: figures of the event runtime, each beside a limit that was taken in the same run on the same servers.
//!
//! Everything runs on a private Redis (append-only file, synced every second) and a private PostgreSQL that waits for the
//! disk. `cargo xtask bench events` builds this program optimised and starts it.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded for people"
)]

mod bed;
mod figures;
mod judgements;
mod load;
mod process;
mod raw;
mod report;
mod sample;
mod section;
mod worker;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
#[command(about)]
enum Command {
    /// Measures and reports
    Run(section::Run),
    /// Fills stores with judgements and makes them again
    #[command(hide = true)]
    Judgements(judgements::Judgements),
    /// Becomes one process of a service, for sections that kill it or weigh it
    #[command(hide = true)]
    Worker(worker::Worker),
}

fn main() -> Result<ExitCode> {
    let command = Command::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Run(run) => Box::pin(run.run()).await,
            Command::Judgements(judgements) => Box::pin(judgements.run()).await,
            Command::Worker(worker) => Box::pin(worker.run()).await,
        }
    })
}
