//! One service in this process.

use std::process::ExitCode;

use anyhow::{Result, bail};

/// Becomes one service.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// `auth`, `post`, `interaction`, `moderation`, `engagement`, `minting` or `gateway`
    name: String,
}

impl Serve {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let run = match self.name.as_str() {
            "auth" => auth_service::run,
            "post" => post_service::run,
            "interaction" => interaction_service::run,
            "moderation" => moderation_service::run,
            "engagement" => engagement_service::run,
            "minting" => minting_worker::run,
            "gateway" => gateway_service::run,
            name => bail!("no service `{name}`"),
        };
        Ok(run())
    }
}
