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
        match system_tests::serve(&self.name) {
            Some(code) => Ok(code),
            None => bail!("no service `{}`", self.name),
        }
    }
}
