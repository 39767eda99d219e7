//! `events`: everything at a glance.

use clap::Subcommand;
use event_runtime::operator::status::{self, Status};

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::ui;

/// Events at a glance.
#[derive(Subcommand)]
pub(crate) enum Events {
    /// Store, outbox, streams, groups, parked events and jobs of every service
    Status,
}

impl Events {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self::Status = self;
        let fleet = Fleet::connect(global).await?;
        let mut rows = Vec::new();
        for site in &fleet.sites {
            rows.push(status::of(site).await?);
        }
        ui::show(global.json, &rows, |rows| {
            let header = [
                "service",
                "events",
                "outbox",
                "unpublished",
                "relay",
                "groups",
                "without owner",
                "paused",
                "parked",
                "jobs",
                "failed jobs",
            ];
            ui::table(header, rows.iter().map(row), "no service")
        })?;
        Ok(Verdict::Clean)
    }
}

fn row(status: &Status) -> [String; 11] {
    let unpublished: i64 = status.relay.partitions.iter().map(|partition| partition.behind).sum();
    [
        status.service.to_string(),
        status.events.to_string(),
        status.relay.outbox.to_string(),
        unpublished.to_string(),
        status.relay.pause.as_ref().map_or("runs", |_| "paused").to_owned(),
        status.groups.to_string(),
        status.groups_without_owner.join(" "),
        status.groups_paused.join(" "),
        status.parked.to_string(),
        status.jobs_ready.to_string(),
        status.jobs_failed.to_string(),
    ]
}
