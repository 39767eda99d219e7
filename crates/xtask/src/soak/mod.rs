//! `soak`: the prototype's workload at any size, with or without kills, judged by a recount from the events.

mod endurance;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use local_stack::stack::{Stack, StackOptions};
use system_tests::{
    client::{Client, until},
    faults::{self, Report},
    oracle::Oracle,
    workload::{self, Done, Size},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{location::executable, ui};

/// Runs the workload of 8 people, 24 posts, 48 comments, reactions and views, and compares every total with a recount.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// So many times the size
    #[arg(long, default_value_t = 1)]
    scale: usize,
    /// Kills services and Redis at random meanwhile (SIGKILL) and starts them again
    #[arg(long)]
    kills: bool,
    /// Lets Redis forget everything once, in the middle
    #[arg(long)]
    flush: bool,
    /// Instead: loads it for so many minutes, with a fault of any kind every ten seconds, and weighs every process
    #[arg(long, conflicts_with_all = ["kills", "flush", "scale"])]
    minutes: Option<u64>,
    /// What the order of the faults follows
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Milliseconds between kills, on average
    #[arg(long, default_value_t = 1_500)]
    pause_ms: u64,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

impl Soak {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let dir = local_stack::scratch_dir()?;
        let options = StackOptions::for_tests(dir.path().to_owned(), executable()?)?;
        let stack = Stack::start(options).await?;
        let outcome = match self.minutes {
            Some(minutes) => {
                let time = Duration::from_mins(minutes);
                Box::pin(endurance::run(&stack, time, self.seed, self.json)).await
            }
            None => Box::pin(self.on(&stack)).await,
        };
        stack.stop().await?;
        outcome
    }

    async fn on(&self, stack: &Stack) -> Result<ExitCode> {
        let size = Size::PROTOTYPE.times(self.scale);
        let client = Client::new(stack.endpoints().clone())?;
        let done = Done::default();
        let signing_up = workload::people(&client, size.people, &done);
        let people = ui::with_count("people", size.people, || done.count(), signing_up).await?;

        let done = Done::default();
        let began = Instant::now();
        let stop = CancellationToken::new();
        let load = async {
            let posts = ui::with_count(
                "requests",
                size.requests(),
                || done.count(),
                workload::run(&people, size, &done),
            );
            let posts = posts.await;
            stop.cancel();
            posts
        };
        let (posts, kills, flushed) = tokio::join!(
            load,
            self.kill(stack, stop.clone()),
            self.flush_half_way(stack, size, &done, &stop)
        );
        let (posts, kills) = (posts?, kills?);
        let loaded_in = began.elapsed();
        let oracle = Oracle::connect(&stack.endpoints().postgres).await?;
        let verdict = oracle.judge(&people, Duration::from_mins(5)).await?;

        let figures = [
            ("people", people.len().to_string()),
            ("posts", posts.len().to_string()),
            ("comments, reactions, views", format!("{} each", size.acts)),
            ("seconds of load", format!("{:.1}", loaded_in.as_secs_f64())),
            ("processes killed", kills.killed.len().to_string()),
            ("times redis forgot everything", usize::from(flushed?).to_string()),
            ("seconds until settled", format!("{:.1}", verdict.settled_in.as_secs_f64())),
            ("events recounted", verdict.events.to_string()),
            ("figures equal to the recount", format!("{0} of {0}", verdict.figures)),
        ];
        if self.json {
            let object: serde_json::Map<_, _> =
                figures.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            ui::line(serde_json::Value::Object(object))?;
        } else {
            ui::line(ui::table(
                ["what", "figure"],
                figures.map(|(name, value)| [name.to_owned(), value]),
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn kill(&self, stack: &Stack, stop: CancellationToken) -> Result<Report> {
        if !self.kills {
            return Ok(Report::default());
        }
        faults::kill_at_random(stack, self.seed, Duration::from_millis(self.pause_ms), stop).await
    }

    /// Whether it happened; not at all if it was not asked for.
    async fn flush_half_way(
        &self,
        stack: &Stack,
        size: Size,
        done: &Done,
        stop: &CancellationToken,
    ) -> Result<bool> {
        if !self.flush {
            return Ok(false);
        }
        while done.count() < size.requests() / 2 && !stop.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Redis may be down at this moment.
        until(Duration::from_mins(1), || faults::flush(stack)).await?;
        Ok(true)
    }
}
