//! `mint-bench`: the whole minting worker, from an event on Redis to a token that is final in PostgreSQL, beside the limit that
//! the chain's own gas sets in the same run.
//!
//! Everything runs on a private Redis, a private PostgreSQL that waits for the disk, and a private chain with blocks of 30 million
//! gas every second. `cargo xtask bench mint` builds this program and the worker optimised and starts it.
#![expect(clippy::cast_precision_loss, reason = "figures are rounded for people")]

mod blocks;
mod ground;
mod report;
mod section;
mod view;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

fn main() -> Result<ExitCode> {
    let run = section::Run::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(run.run()))
}
