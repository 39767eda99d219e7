//! `status`: what runs.

use std::process::ExitCode;

use anyhow::Result;
use local_stack::services::SERVICES;
use local_stack::stack::{Endpoints, readiness};
use local_stack::state::State;
use serde::Serialize;

use crate::location::Which;
use crate::ui;

/// Shows what runs.
#[derive(clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    which: Which,
    /// Prints JSON for programs
    #[arg(long)]
    json: bool,
}

/// One part of a stack.
#[derive(Serialize)]
struct Part {
    name: String,
    /// `None` when it does not run.
    pid: Option<i32>,
    url: String,
    /// Whether it takes requests.
    ready: bool,
}

impl Status {
    /// Succeeds when everything is ready, so that a script can ask.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let parts = match State::load(&self.which.dir())? {
            Some(state) => parts(&state).await?,
            None => Vec::new(),
        };
        if self.json {
            ui::line(serde_json::to_string_pretty(&parts)?)?;
        } else if parts.iter().any(|part| part.pid.is_some()) {
            let row = |part: &Part| {
                let pid = part.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
                let ready = if part.ready { "ready" } else { "not ready" };
                [part.name.clone(), pid, part.url.clone(), ready.to_owned()]
            };
            ui::line(ui::table(["part", "pid", "url", "state"], parts.iter().map(row)))?;
        } else {
            ui::line("nothing runs; `cargo xtask up` starts everything")?;
        }
        let ready = !parts.is_empty() && parts.iter().all(|part| part.ready);
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn parts(state: &State) -> Result<Vec<Part>> {
    let endpoints = Endpoints::of(state)?;
    let ready = readiness(&endpoints).await?;
    let running = |name: &str| {
        state.processes.get(name).filter(|process| process.runs()).map(|process| process.pid)
    };
    let part = |name: &str, url: &str, pid: Option<i32>, ready: bool| Part {
        name: name.to_owned(),
        pid,
        url: url.to_owned(),
        ready: ready && pid.is_some(),
    };

    let mut parts = Vec::new();
    for name in SERVICES.iter().map(|spec| spec.name) {
        let ready = ready.get(name).copied().unwrap_or(false);
        parts.push(part(name, endpoints.service(name)?, running(name), ready));
    }
    parts.push(part("postgres", &endpoints.postgres, running("postgres"), true));
    parts.push(part("redis", &endpoints.redis, running("redis"), true));
    let supervisor = state.supervisor.as_ref().filter(|process| process.runs());
    parts.push(part("mail sink", &endpoints.mail, supervisor.map(|process| process.pid), true));
    Ok(parts)
}
