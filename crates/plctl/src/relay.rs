//! `relay`: publishing.

use std::time::{Duration, Instant};

use clap::Subcommand;
use event_runtime::operator::relay::{self, Pause, Published};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::{ui, value};

/// How often it is looked whether a relay has caught up.
const POLL: Duration = Duration::from_millis(250);

/// Publishing.
#[derive(Subcommand)]
pub(crate) enum Relay {
    /// How far every stream is behind its store
    Status,
    /// Stop publishing; events wait in the outbox
    Pause {
        #[command(flatten)]
        change: Change,
    },
    /// Publish again
    Resume {
        #[command(flatten)]
        change: Change,
    },
    /// Wait until every stream is where its store is; relays ask their streams by themselves
    Resync {
        /// How long to wait
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = value::duration)]
        timeout: Duration,
    },
    /// Delete the stream of one partition, for the relay to write it anew
    Rebuild {
        /// The partition
        #[arg(long, value_name = "N")]
        partition: i16,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Serialize)]
struct Row {
    service: Service,
    #[serde(flatten)]
    relay: relay::Relay,
}

impl Relay {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Status => ui::show(global.json, &rows(&fleet).await?, |rows| list(rows))?,
            Self::Pause { change } => {
                let done = relay::pause(fleet.only()?, &order(global, &change)?).await?;
                ui::show(global.json, &done, |done| {
                    ui::changed(done.dry_run, done.changed.len(), "paused", "would be paused")
                })?;
            }
            Self::Resume { change } => {
                let done = relay::resume(fleet.only()?, &order(global, &change)?).await?;
                ui::show(global.json, &done, |done| {
                    let said = ui::changed(
                        done.dry_run,
                        done.changed.len(),
                        "resumed",
                        "would be resumed",
                    );
                    let why = |pause: &Pause| format!("\n  was paused for: {}", pause.reason);
                    said + &done.changed.iter().map(why).collect::<String>()
                })?;
            }
            Self::Resync { timeout } => resync(global, &fleet, timeout).await?,
            Self::Rebuild { partition, change } => {
                let order = order(global, &change)?;
                let done = relay::rebuild(fleet.only()?, &order, partition).await?;
                ui::show(global.json, &done, |done| {
                    let said = ui::changed(
                        done.dry_run,
                        done.changed.len(),
                        "deleted",
                        "would be deleted",
                    );
                    let what = |published: &Published| {
                        format!("\n  {} up to {}", published.key, published.last)
                    };
                    said + &done.changed.iter().map(what).collect::<String>()
                })?;
            }
        }
        Ok(Verdict::Clean)
    }
}

async fn rows(fleet: &Fleet) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for site in &fleet.sites {
        rows.push(Row { service: site.service, relay: relay::status(site).await? });
    }
    Ok(rows)
}

async fn resync(global: &Global, fleet: &Fleet, timeout: Duration) -> Result<(), Failure> {
    let (busy, began) = (ui::Busy::new("waiting for the relays"), Instant::now());
    loop {
        let rows = rows(fleet).await?;
        if let Some(paused) = rows.iter().find(|row| row.relay.pause.is_some()) {
            let service = paused.service;
            return Err(Failure::Refused(format!(
                "the relay of {service} is paused; `relay resume --service {service}` first"
            )));
        }
        let partitions = || rows.iter().flat_map(|row| &row.relay.partitions);
        if let Some(ahead) = partitions().find(|partition| partition.behind < 0) {
            return Err(Failure::Refused(format!(
                "{} is ahead of its store, which was restored to the past; `epoch bump` begins a new generation",
                ahead.key
            )));
        }
        let behind: i64 = partitions().map(|partition| partition.behind).sum();
        let outbox: i64 = rows.iter().map(|row| row.relay.outbox).sum();
        if behind + outbox == 0 {
            return ui::show(global.json, &rows, |rows| list(rows));
        }
        busy.say(format!("{} events are to be published", behind + outbox));
        if began.elapsed() > timeout {
            return Err(Failure::Failed(format!(
                "{} events are still to be published; is a process of the service running? Its log says why it cannot",
                behind + outbox
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn list(rows: &[Row]) -> String {
    let row = |(row, published): (&Row, &Published)| {
        let relay = &row.relay;
        let paused = relay.pause.as_ref().map(|pause| format!("paused: {}", pause.reason));
        [
            format!("{}/{}", row.service, published.partition),
            published.head.to_string(),
            published.last.to_string(),
            published.behind.to_string(),
            format!("{} ({} s)", relay.outbox, relay.outbox_seconds),
            paused.unwrap_or_else(|| "runs".to_owned()),
        ]
    };
    let all = rows
        .iter()
        .flat_map(|row| row.relay.partitions.iter().map(move |published| (row, published)));
    let header = ["partition", "store", "stream", "behind", "outbox", "relay"];
    ui::table(header, all.map(row), "no service")
}
