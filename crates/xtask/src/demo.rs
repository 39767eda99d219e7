//! `demo`: the main journey against the running stack.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use local_stack::{stack::Endpoints, state::State};
use system_tests::{client::Client, journey};

use crate::{location::Which, ui};

/// Walks the main journey step by step; anything unexpected ends it.
#[derive(clap::Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    which: Which,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let endpoints = running(self.which)?;
        let client = Client::new(endpoints)?;
        let report = |step: &str, outcome: &str, took: Duration| {
            ui::note(format_args!("ok  {:>6} ms  {step}: {outcome}", took.as_millis()));
        };
        Box::pin(journey::walk(&client, &report)).await?;
        ui::line("the whole journey works")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the stack that runs is reached.
pub(crate) fn running(which: Which) -> Result<Endpoints> {
    let state = State::load(&which.dir())?.filter(State::is_up);
    Endpoints::of(&state.context("nothing runs: start it with `cargo xtask up`")?)
}
