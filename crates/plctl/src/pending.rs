//! `pending`: what was delivered and not acknowledged.

use std::time::Duration;

use clap::Subcommand;
use event_runtime::operator::pending;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::{ui, value};

/// What was delivered and not acknowledged.
#[derive(Subcommand)]
pub(crate) enum Pending {
    /// Pending entries, oldest first
    Ls {
        /// Only of this group
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// Only those that have waited so long
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = value::duration)]
        idle: Duration,
        /// At most this many per stream and group
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u64,
    },
    /// Hand what others have left pending to one member of the group
    Claim {
        /// The group
        group: String,
        /// The member; the owner of a partition is called `owner`
        #[arg(long, value_name = "MEMBER", default_value = "owner")]
        to: String,
        /// Only what has waited so long: less is still being worked on
        #[arg(long, value_name = "TIME", default_value = "1m", value_parser = value::duration)]
        idle: Duration,
        #[command(flatten)]
        change: Change,
    },
}

impl Pending {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls { group, idle, limit } => {
                let mut all = Vec::new();
                for site in &fleet.sites {
                    let idle = value::as_ms(idle);
                    all.extend(pending::list(site, group.as_deref(), idle, limit).await?);
                }
                ui::show(global.json, &all, |all| list(all, "nothing is pending"))?;
            }
            Self::Claim { group, to, idle, change } => {
                let (order, idle) = (order(global, &change)?, value::as_ms(idle));
                let mut all = Vec::new();
                for site in &fleet.sites {
                    all.push(pending::claim(site, &order, &group, &to, idle).await?);
                }
                ui::show(global.json, &all, |all| {
                    let count = all.iter().map(|done| done.changed.len()).sum();
                    let would = format!("would be handed to {to}");
                    ui::changed(change.dry_run, count, &format!("handed to {to}"), &would)
                })?;
            }
        }
        Ok(Verdict::Clean)
    }
}

fn list(entries: &[pending::Pending], none: &str) -> String {
    let row = |entry: &pending::Pending| {
        [
            entry.key.clone(),
            entry.group.clone(),
            entry.id.clone(),
            entry.consumer.clone(),
            format!("{} s", entry.idle_ms / 1_000),
            entry.deliveries.to_string(),
        ]
    };
    let header = ["stream", "group", "entry", "member", "idle", "deliveries"];
    ui::table(header, entries.iter().map(row), none)
}
