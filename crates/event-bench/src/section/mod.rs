//! What is measured, one module per section.

mod append;
mod catch_up;
mod latency;
pub(crate) mod peers;
mod poison;
mod projection;
mod recovery;
mod transport;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use event_runtime::{Runtime, RuntimeBuilder};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    bed::{Bed, Ground},
    figures::{percentile, sync_cost},
    report::{Circumstances, Figure, Report, line, load, note},
};

/// Measures and reports.
#[derive(clap::Args)]
pub(crate) struct Run {
    /// Smaller samples: minutes instead of a quarter of an hour
    #[arg(long)]
    quick: bool,
    /// These sections alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the page for the documentation
    #[arg(long, value_name = "FILE", requires = "json")]
    page: Option<PathBuf>,
    /// The file that says how the prepared peers are started
    #[arg(long, value_name = "FILE", hide = true)]
    peers: Option<PathBuf>,
    /// What people typed to get here
    #[arg(long, default_value = "event-bench run", hide = true)]
    command: String,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Publish, read, do nothing, acknowledge
    Transport,
    /// The same with a row per aggregate
    Projection,
    /// Recording, with and without the outbox
    Append,
    /// From commit to effect, at several loads
    Latency,
    /// After something was killed or forgot everything
    Recovery,
    /// A million events, and what the processes weigh
    CatchUp,
    /// One aggregate that cannot be handled among many that can
    Poison,
    /// Others on the same Redis
    Peers,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    quick: bool,
}

impl Scale {
    /// One size for a full run, another for a quick one.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

impl Run {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let mut ground = Ground::start().await.context("cannot start the private servers")?;
        let (redis, postgres) = ground.versions().await?;
        let mut circumstances = Circumstances::now(self.command.clone(), redis, postgres)?;
        let (mut figures, mut peers) = (Vec::new(), None);
        figures.extend(disk(&ground)?);
        for section in Section::value_variants() {
            // They have to be prepared, so they are measured only when they are.
            let is_possible = *section != Section::Peers || self.peers.is_some();
            if !is_possible || !(self.only.is_empty() || self.only.contains(section)) {
                continue;
            }
            note(format_args!("measuring: {section:?}"));
            let scale = Scale { quick: self.quick };
            match section {
                Section::Transport => figures.extend(transport::measure(&mut ground, scale).await?),
                Section::Projection => {
                    figures.extend(projection::measure(&mut ground, scale).await?);
                }
                Section::Append => figures.extend(append::measure(&mut ground, scale).await?),
                Section::Latency => figures.extend(latency::measure(&mut ground, scale).await?),
                Section::Recovery => figures.extend(recovery::measure(&mut ground, scale).await?),
                Section::CatchUp => figures.extend(catch_up::measure(&mut ground, scale).await?),
                Section::Poison => figures.extend(poison::measure(&mut ground, scale).await?),
                Section::Peers => {
                    let manifests = self.peers.clone().context("no peers")?;
                    peers = Some(peers::measure(&mut ground, scale, &manifests).await?);
                }
            }
        }
        circumstances.load_after = load()?;
        let report = Report { circumstances, figures, peers };
        line(report.table())?;
        if let Some(path) = &self.json {
            report.save(path)?;
            if let Some(page) = &self.page {
                let name = path.file_name().context("no file name")?.to_string_lossy();
                report.save_page(page, &name)?;
            }
        }
        Ok(if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What every durable step pays at least.
fn disk(ground: &Ground) -> Result<Vec<Figure>> {
    let costs = sync_cost(ground.directory(), 300)?;
    Ok(vec![
        Figure::new("disk", "8 KiB to the disk, p50", percentile(&costs, 0.5), "ms"),
        Figure::new("disk", "8 KiB to the disk, p99", percentile(&costs, 0.99), "ms"),
    ])
}

/// A runtime that runs, until it is told to stop.
pub(crate) struct Running {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Running {
    pub(crate) fn start(builder: RuntimeBuilder) -> Result<Self> {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let runtime: Runtime = builder.build();
        runtime.start(&tasks, &shutdown)?;
        Ok(Self { tasks, shutdown })
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Until a consumer has its lease and waits in its group.
async fn until_leased(bed: &Bed) -> Result<()> {
    while bed.number_of("SELECT count(*) FROM engagement.lease").await? == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
