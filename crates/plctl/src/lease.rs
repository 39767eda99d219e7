//! `lease`: who works on which partition.

use clap::Subcommand;
use event_runtime::operator::leases;
use shared_schemas::Service;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::ui;

/// Who works on which partition.
#[derive(Subcommand)]
pub(crate) enum Lease {
    /// Every lease
    Ls,
    /// Take partitions from a process that hangs; whoever is there first goes on
    Steal {
        /// The group
        group: String,
        /// Only its work on this producer's events
        #[arg(long, value_name = "SERVICE")]
        of: Option<Service>,
        /// Only this partition
        #[arg(long, value_name = "N")]
        partition: Option<i16>,
        #[command(flatten)]
        change: Change,
    },
}

impl Lease {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls => {
                let mut all = Vec::new();
                for site in &fleet.sites {
                    all.extend(leases::list(site).await?);
                }
                ui::show(global.json, &all, |all| list(all, "no leases"))?;
            }
            Self::Steal { group, of, partition, change } => {
                let (site, order) = (fleet.of_group(&group).await?, order(global, &change)?);
                let of = of.map(Service::as_str);
                let done = leases::steal(site, &order, &group, of, partition).await?;
                ui::show(global.json, &done, |done| {
                    let count = done.changed.len();
                    let said =
                        ui::changed(done.dry_run, count, "taken away", "would be taken away");
                    format!("{said}\n{}", list(&done.changed, ""))
                })?;
            }
        }
        Ok(Verdict::Clean)
    }
}

fn list(leases: &[leases::Lease], none: &str) -> String {
    let row = |lease: &leases::Lease| {
        [
            lease.consumer_group.clone(),
            format!("{}/{}", lease.service, lease.partition),
            lease.owner.to_string(),
            lease.epoch.to_string(),
            if lease.is_live { "live".to_owned() } else { "over".to_owned() },
            ui::or_dash(lease.expires_at.map(|at| at.format("%H:%M:%S").to_string())),
        ]
    };
    let header = ["group", "reads", "owner", "epoch", "state", "until (UTC)"];
    ui::table(header, leases.iter().map(row), none)
}
