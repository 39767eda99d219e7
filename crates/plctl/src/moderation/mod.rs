//! `moderation`: recorded judgements made again, what follows from other ones, and versions of the analyser.

mod apply;
mod flip;
mod human;
mod judge;
mod read;
mod replay;
mod report;
mod tally;
mod version;

use clap::Subcommand;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};

/// Judgements of texts.
#[derive(Subcommand)]
pub(crate) enum Moderation {
    /// Judge every text on record again and compare; exit code 3 when something is different
    Replay(replay::Replay),
    /// What other rules would have done in the last days; exit code 3 when anything
    WhatIf(replay::WhatIf),
    /// Carry changed judgements out as one batch; exit code 3 when any was left alone
    Apply(apply::Apply),
    /// Undo a batch; exit code 3 when anything was left alone
    Revert(apply::Revert),
    /// Batches, and what they left alone
    Batches(apply::Batches),
    /// Versions of rules, policy and model: proposed, in shadow, active, taken back
    Version(version::Version),
}

impl Moderation {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        match self {
            Self::Replay(replay) => replay.run(global).await,
            Self::WhatIf(what_if) => what_if.run(global).await,
            Self::Apply(apply) => apply.run(global).await,
            Self::Revert(revert) => revert.run(global).await,
            Self::Batches(batches) => batches.run(global).await,
            Self::Version(version) => version.run(global).await,
        }
    }
}
