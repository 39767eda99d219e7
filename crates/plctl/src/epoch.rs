//! `epoch`: the generations of streams.

use clap::Subcommand;
use event_runtime::operator::epochs::{self, Epoch as Row};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::ui;

/// The generations of streams.
#[derive(Subcommand)]
pub(crate) enum Epoch {
    /// Every generation with its reason, and where it ended
    Show,
}

#[derive(Serialize)]
struct Of {
    service: Service,
    #[serde(flatten)]
    epoch: Row,
}

impl Epoch {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Show => show(global, &fleet).await?,
        }
        Ok(Verdict::Clean)
    }
}

async fn show(global: &Global, fleet: &Fleet) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for site in &fleet.sites {
        let epochs = epochs::list(site).await?.into_iter();
        rows.extend(epochs.map(|epoch| Of { service: site.service, epoch }));
    }
    ui::show(global.json, &rows, |rows| {
        let row = |Of { service, epoch }: &Of| {
            let ends = epoch.ends.iter().map(|(partition, end)| format!("{partition}:{end}"));
            [
                service.to_string(),
                epoch.epoch.to_string(),
                epoch.partitions.to_string(),
                epoch.started_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                epoch.reason.clone(),
                ends.collect::<Vec<_>>().join(" "),
            ]
        };
        let header = ["service", "epoch", "partitions", "since (UTC)", "reason", "ended at"];
        ui::table(header, rows.iter().map(row), "no service")
    })
}
