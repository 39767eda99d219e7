//! `moderation`: versions of the analyser.

mod version;

use clap::Subcommand;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};

/// Judgements of texts.
#[derive(Subcommand)]
pub(crate) enum Moderation {
    /// Versions of rules, policy and model: proposed, in shadow, active, taken back
    Version(version::Version),
}

impl Moderation {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        match self {
            Self::Version(version) => version.run(global).await,
        }
    }
}
