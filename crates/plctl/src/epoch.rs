//! `epoch`: the generations of streams.

use clap::Subcommand;
use event_runtime::operator::epochs::{self, Epoch as Row};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::ui;

/// The generations of streams.
#[derive(Subcommand)]
pub(crate) enum Epoch {
    /// Every generation with its reason, and where it ended
    Show,
    /// Begins the next generation of one service's streams, when the present one cannot be continued
    Bump {
        /// How many partitions it has; as many as before if left out
        #[arg(long, value_name = "N")]
        partitions: Option<u16>,
        #[command(flatten)]
        change: Change,
    },
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
            Self::Bump { partitions, change } => {
                let order = order(global, &change)?;
                let [site] = &*fleet.sites else {
                    return Err(Failure::Usage("name one service with --service".to_owned()));
                };
                let done = epochs::bump(site, &order, partitions).await?;
                ui::show(global.json, &done, |done| match done.changed.first() {
                    Some(begun) => format!(
                        "{}: generation {} with {} partitions",
                        site.service, begun.epoch, begun.partitions
                    ),
                    None => format!("{}: a new generation could begin", site.service),
                })?;
            }
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
