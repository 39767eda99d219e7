//! `bench moderation`: texts per second and core, beside another filter in the same run; and how long a decision takes.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use local_stack::stack::{Stack, StackOptions};
use serde_json::Value;
use system_tests::{
    client::Client,
    decision::{self, Decisions},
    latency::{self, percentile},
};
use tokio::process::Command;

use super::peers;
use crate::{location::repository, ui};

/// The analyser beside the word filter rustrict, and the way from a request to a decision.
#[derive(clap::Args)]
pub(crate) struct Moderation {
    /// Comments to follow through the whole platform, twice: for its capacity, and at half of it
    #[arg(long, default_value_t = 400)]
    comments: usize,
    /// Comments a second instead of half of the capacity, to compare one version of the platform with another
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Only the analyser, without the platform
    #[arg(long)]
    analyser_only: bool,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Moderation {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let mut figures = analyser().await?;
        if !self.analyser_only {
            let (decisions, commit) = self.platform().await?;
            let milliseconds = |share| percentile(&decisions.milliseconds, share);
            let more = serde_json::json!({
                "comments_decided_per_second": decisions.capacity,
                "comments_offered_per_second": decisions.offered,
                "request_to_record_p50_ms": percentile(&decisions.to_record, 0.5),
                "request_to_record_p99_ms": percentile(&decisions.to_record, 0.99),
                "record_to_decision_p50_ms": percentile(&decisions.to_decision, 0.5),
                "record_to_decision_p99_ms": percentile(&decisions.to_decision, 0.99),
                "request_to_decision_p50_ms": milliseconds(0.5),
                "request_to_decision_p99_ms": milliseconds(0.99),
                "limit_three_bare_commits_p50_ms": 3.0 * commit,
            });
            if let (Value::Object(figures), Value::Object(more)) = (&mut figures, more) {
                figures.extend(more);
            }
        }
        if self.json {
            ui::line(figures)?;
        } else {
            let rows = figures.as_object().into_iter().flatten();
            let rows = rows.map(|(name, value)| [name.replace('_', " "), shown(value)]);
            ui::line(ui::table(["what", "measured"], rows))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn platform(&self) -> Result<(Decisions, f64)> {
        let dir = local_stack::scratch_dir()?;
        let mut options = StackOptions::for_tests(dir.path().to_owned(), services().await?)?;
        // What is measured is what people get: every commit reaches the disk.
        options.durable = true;
        let stack = Stack::start(options).await?;
        let outcome = Box::pin(self.on(&stack)).await;
        stack.stop().await?;
        outcome
    }

    async fn on(&self, stack: &Stack) -> Result<(Decisions, f64)> {
        let postgres = &stack.endpoints().postgres;
        let commit = latency::bare_commits(postgres, self.comments).await?;
        let client = Client::new(stack.endpoints().clone())?;
        let decisions = decision::measure(postgres, &client, self.comments, self.rate).await?;
        Ok((decisions, percentile(&commit, 0.5)))
    }
}

/// This program compiled for speed, since it becomes the services.
async fn services() -> Result<PathBuf> {
    ui::note("building the services");
    let root = repository();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "measure", "--package", "xtask"])
        .current_dir(&root)
        .status()
        .await
        .context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "the services do not build");
    Ok(peers::target(&root).join("measure/xtask"))
}

/// The figures of the analyser alone, in a program that is compiled for speed.
async fn analyser() -> Result<Value> {
    ui::note("building the example `throughput` of content-analysis");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--profile", "measure", "--package", "content-analysis"])
        .args(["--example", "throughput"])
        .current_dir(repository())
        .stderr(std::process::Stdio::inherit())
        .output()
        .await
        .context("cannot start cargo")?;
    anyhow::ensure!(output.status.success(), "the example failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("the example printed no JSON")
}

fn shown(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if !value.is_u64() => format!("{number:.2}"),
        _ => value.to_string().trim_matches('"').to_owned(),
    }
}
