//! `down`: stops a detached stack.

use std::process::ExitCode;

use anyhow::Result;
use local_stack::state;

use crate::location::Which;
use crate::ui;

/// Stops a stack that was started with `up --detach`.
#[derive(clap::Args)]
pub(crate) struct Down {
    #[command(flatten)]
    which: Which,
}

impl Down {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let stopped = state::stop_recorded(&self.which.dir()).await?;
        ui::line(if stopped { "stopped" } else { "nothing ran" })?;
        Ok(ExitCode::SUCCESS)
    }
}
