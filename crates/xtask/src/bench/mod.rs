//! `bench`: figures, always beside a limit taken in the same run.

mod events;
mod mint;
mod moderation;
mod moderation_replay;
mod peers;

use std::process::ExitCode;

use anyhow::Result;
use local_stack::stack::{Stack, StackOptions};
use system_tests::{
    client::Client,
    latency::{self, PROJECTIONS, percentile},
    person::Person,
};

use crate::{location::executable, ui};

/// Measures.
#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// From a POST to every projection that shows it
    Latency(Latency),
    /// The event runtime beside limits of the same run, and beside others
    Events(events::Events),
    /// The minting worker beside the limit of the chain's gas
    Mint(mint::Mint),
    /// The analyser of texts beside a word filter, in one run
    Moderation(moderation::Moderation),
    /// Judgements on record, made again by `plctl moderation replay`
    ModerationReplay(moderation_replay::ModerationReplay),
}

/// From a POST to every projection that shows it.
#[derive(clap::Args)]
struct Latency {
    /// Comments to follow
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Latency(latency) => latency.run().await,
            What::Events(events) => events.run().await,
            What::Mint(mint) => mint.run().await,
            What::Moderation(moderation) => moderation.run().await,
            What::ModerationReplay(replay) => replay.run().await,
        }
    }
}

impl Latency {
    async fn run(self) -> Result<ExitCode> {
        let dir = local_stack::scratch_dir()?;
        let mut options = StackOptions::for_tests(dir.path().to_owned(), executable()?)?;
        // What is measured is what people get: every commit reaches the disk.
        options.durable = true;
        let stack = Stack::start(options).await?;
        let outcome = Box::pin(self.on(&stack)).await;
        stack.stop().await?;
        outcome
    }

    async fn on(&self, stack: &Stack) -> Result<ExitCode> {
        let client = Client::new(stack.endpoints().clone())?;
        let interests = ["TECHNOLOGY"];
        let author =
            Person::sign_up(&client, "author@bench.peerlink.invalid", "A", "Author", &interests)
                .await?;
        let reader =
            Person::sign_up(&client, "reader@bench.peerlink.invalid", "A", "Reader", &interests)
                .await?;
        let postgres = &stack.endpoints().postgres;
        let commit = latency::bare_commits(postgres, self.rounds).await?;
        // The first rounds fill caches and pools.
        latency::measure(postgres, &author, &reader, 10).await?;
        let latencies = latency::measure(postgres, &author, &reader, self.rounds).await?;

        // An append, a sequence number and a projection are three commits, one after the other.
        let limit = 3.0 * percentile(&commit, 0.5);
        let mut rows = vec![row("answered", &latencies.answered, limit)];
        for (name, values) in PROJECTIONS.iter().zip(&latencies.visible) {
            rows.push(row(name, values, limit));
        }
        rows.push(row("everywhere", &latencies.everywhere, limit));
        rows.push(row(
            "limit: three bare commits",
            &commit.iter().map(|one| 3.0 * one).collect::<Vec<_>>(),
            limit,
        ));
        if self.json {
            let rows: Vec<_> = rows
                .into_iter()
                .map(|[name, p50, p99, ratio]| serde_json::json!({"what": name, "p50_ms": p50, "p99_ms": p99, "ratio": ratio}))
                .collect();
            ui::line(serde_json::Value::Array(rows))?;
        } else {
            ui::line(ui::table(["from POST to", "p50 ms", "p99 ms", "p50 / limit"], rows))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(name: &str, values: &[f64], limit: f64) -> [String; 4] {
    let (p50, p99) = (percentile(values, 0.5), percentile(values, 0.99));
    [name.to_owned(), format!("{p50:.1}"), format!("{p99:.1}"), format!("{:.1}", p50 / limit)]
}
