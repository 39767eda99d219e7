//! What is measured.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    blocks::{self, Block, Rate},
    ground::Ground,
    report::{Circumstances, Figure, Goal, Report, line, note},
};

/// How long a phase may take.
const LIMIT: Duration = Duration::from_mins(20);

/// Mints that fill one block, about.
const BATCHED_PER_BLOCK: u64 = 560;
const SINGLE_PER_BLOCK: u64 = 375;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// Many tokens in each transaction.
    Batched,
    /// One token in each transaction.
    Single,
}

/// Measures the minting worker.
#[derive(clap::Parser)]
#[command(about)]
pub(crate) struct Run {
    /// The worker's program
    #[arg(long)]
    worker: PathBuf,
    /// The command line that people repeat
    #[arg(long, default_value = "mint-bench")]
    command: String,
    /// Blocks to fill
    #[arg(long, default_value_t = 60)]
    blocks: u64,
    /// Only this
    #[arg(long)]
    only: Option<Only>,
    /// Writes the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the page
    #[arg(long)]
    page: Option<PathBuf>,
}

impl Run {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let mut circumstances = Circumstances::now(self.command.clone())?;
        let mut figures = Vec::new();
        if self.only != Some(Only::Single) {
            self.batched(&mut figures).await?;
        }
        if self.only != Some(Only::Batched) {
            self.single(&mut figures).await?;
        }
        note("done");
        circumstances.load_after = crate::report::load()?;
        let report = Report { circumstances, figures };
        line(report.table())?;
        if let Some(path) = &self.json {
            report.save(path)?;
        }
        if let Some((page, json)) = self.page.as_ref().zip(self.json.as_ref()) {
            let json = json.file_name().context("no name")?.to_string_lossy();
            report.save_page(page, &json)?;
        }
        Ok(if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn batched(&self, figures: &mut Vec<Figure>) -> Result<()> {
        note("batches of 50: starting");
        // Five blocks' worth of transactions: as many as the chain works off while a killed worker comes back.
        let settings = [("MINT_BATCH_ITEMS", "50"), ("MINT_IN_FLIGHT", "64")];
        let mut ground = Ground::start(&self.worker, &settings).await?;
        let count = self.blocks * BATCHED_PER_BLOCK;

        note(format_args!("{count} posts from Redis to pinned metadata, while the lane is paused"));
        ground.set_paused(true).await?;
        let began = Instant::now();
        ground.publish(count).await?;
        ground.reached("PINNED", count, LIMIT).await?;
        let prepared = count as f64 / began.elapsed().as_secs_f64();
        note("the lane works it off");
        let drained = drain(&mut ground, count).await?;
        let rate = blocks::rate(blocks::whole(&drained.blocks))?;
        figures.extend([
            Figure::new(
                "batches of 50",
                "Redis, consent, screening, pin: until it waits for a lane",
                prepared,
                "mints/s",
            ),
            Figure::new(
                "batches of 50",
                "lane: sign, send, confirm, record, on the chain",
                rate.mints,
                "mints/s",
            )
            .of(rate.limit)
            .goal(Goal::Share(0.90)),
            Figure::new(
                "batches of 50",
                "lane: from the first signature to all final in PostgreSQL",
                drained.recorded,
                "mints/s",
            )
            .of(rate.limit),
            Figure::new("batches of 50", "gas of a mint", rate.gas, "gas")
                .goal(Goal::Below(55_000.0)),
            Figure::new("batches of 50", "blocks measured", rate.blocks as f64, "blocks"),
        ]);

        note(format_args!(
            "ingest {prepared:.0}/s, lane {:.0}/s of {:.0}/s, gas {:.0}",
            rate.mints, rate.limit, rate.gas
        ));
        note("everything at once: from an event on Redis to final in PostgreSQL");
        let count_at_once = count / 3;
        let (before, began) = (ground.nodes.height().await?, Instant::now());
        // A little more than the chain can take, as long as it lasts: what comes in does not wait for what goes out.
        ground.publish_at(count_at_once, 1.05 * rate.limit).await?;
        ground.reached("FINAL", count + count_at_once, LIMIT).await?;
        let at_once = count_at_once as f64 / began.elapsed().as_secs_f64();
        let seen = all_blocks(&ground, before).await?;
        let at_once_rate = blocks::rate(blocks::whole(&seen))?;
        figures.extend([
            Figure::new(
                "batches of 50",
                "everything at once, posts coming at 105 % of the gas: on the chain",
                at_once_rate.mints,
                "mints/s",
            )
            .of(at_once_rate.limit)
            .goal(Goal::Share(0.90)),
            Figure::new(
                "batches of 50",
                "everything at once: from the first post on Redis to all final in PostgreSQL",
                at_once,
                "mints/s",
            )
            .of(at_once_rate.limit),
        ]);
        note(format_args!(
            "at once {:.0}/s of {:.0}/s on the chain, {at_once:.0}/s to the last final one",
            at_once_rate.mints, at_once_rate.limit
        ));

        note("SIGKILL in the middle of it");
        ground.set_paused(true).await?;
        let more = 12 * BATCHED_PER_BLOCK;
        ground.publish(more).await?;
        ground.reached("PINNED", more, LIMIT).await?;
        figures.push(recovery(&mut ground, count + count_at_once + more, &rate).await?);
        Ok(())
    }

    async fn single(&self, figures: &mut Vec<Figure>) -> Result<()> {
        note("one token in each transaction: starting");
        let settings = [("MINT_BATCH_ITEMS", "1"), ("MINT_IN_FLIGHT", "1024")];
        let mut ground = Ground::start(&self.worker, &settings).await?;
        let count = self.blocks / 2 * SINGLE_PER_BLOCK;
        ground.set_paused(true).await?;
        ground.publish(count).await?;
        ground.reached("PINNED", count, LIMIT).await?;
        note("the lane works it off");
        let drained = drain(&mut ground, count).await?;
        let rate = blocks::rate(blocks::whole(&drained.blocks))?;
        figures.extend([
            Figure::new(
                "one by one",
                "lane: sign, send, confirm, record, on the chain",
                rate.mints,
                "mints/s",
            )
            .of(rate.limit)
            .goal(Goal::Share(0.85)),
            Figure::new(
                "one by one",
                "lane: from the first signature to all final in PostgreSQL",
                drained.recorded,
                "mints/s",
            )
            .of(rate.limit),
            Figure::new("one by one", "gas of a mint", rate.gas, "gas"),
            Figure::new("one by one", "blocks measured", rate.blocks as f64, "blocks"),
        ]);
        Ok(())
    }
}

/// What came of a line that was worked off.
struct Drained {
    blocks: Vec<Block>,
    /// Mints per second from the order to the last final one in the database.
    recorded: f64,
}

async fn drain(ground: &mut Ground, count: u64) -> Result<Drained> {
    let before = ground.nodes.height().await?;
    let began = Instant::now();
    ground.set_paused(false).await?;
    ground.reached("FINAL", count, LIMIT).await?;
    let recorded = count as f64 / began.elapsed().as_secs_f64();
    Ok(Drained { blocks: all_blocks(ground, before).await?, recorded })
}

async fn all_blocks(ground: &Ground, before: u64) -> Result<Vec<Block>> {
    let height = ground.nodes.height().await?;
    blocks::read(&ground.chain, &ground.nodes, ground.contract, (before + 1, height)).await
}

/// Kills the worker when the lane is at full speed; how many blocks are not full afterwards.
async fn recovery(ground: &mut Ground, count: u64, full: &Rate) -> Result<Figure> {
    let before = ground.nodes.height().await?;
    ground.set_paused(false).await?;
    loop {
        let seen = all_blocks(ground, before).await?;
        if seen.iter().filter(|block| block.mints > 0).count() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let killed_at = ground.nodes.height().await?;
    ground.kill_and_start_again().await?;
    ground.reached("FINAL", count, LIMIT).await?;
    let seen = all_blocks(ground, killed_at).await?;
    let last = seen.iter().rposition(|block| block.mints > 0).unwrap_or(0);
    let after = seen.get(..last).unwrap_or(&[]);
    let is_short = |block: &&Block| (block.mints as f64) < 0.9 * full.limit;
    let short = after.iter().filter(is_short).count();
    Ok(Figure::new(
        "SIGKILL of the worker",
        "blocks after it that are less than 90 % full",
        short as f64,
        "blocks",
    )
    .goal(Goal::Below(2.5)))
}
