//! `groups`: watermarks, the producers' registry, pausing and moving.

use chrono::{DateTime, Utc};
use clap::Subcommand;
use event_runtime::operator::groups::{self, Group, Place};
use event_runtime::operator::seek::{self, Move, Target};
use event_runtime::operator::subscriptions::{self, Registration};
use event_runtime::operator::{Done, Order};
use serde::Serialize;
use shared_schemas::Service;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::{ui, value};

/// Consumer groups.
#[derive(Subcommand)]
pub(crate) enum Groups {
    /// Every group with its watermarks, and who is registered with whom
    Ls,
    /// Have a producer keep what a group has not read, from now on
    Register {
        /// The group, such as `engagement.profile`
        group: String,
        /// The producer
        #[arg(long, value_name = "SERVICE")]
        of: Service,
        #[command(flatten)]
        change: Change,
    },
    /// Let producers forget a group: they trim without waiting for it
    Retire {
        /// The group
        group: String,
        /// The producer; without it every one with which the group is registered
        #[arg(long, value_name = "SERVICE")]
        of: Option<Service>,
        #[command(flatten)]
        change: Change,
    },
    /// Stop a group after what it has in hand
    Pause {
        /// The group
        group: String,
        #[command(flatten)]
        change: Change,
    },
    /// Let a paused group go on
    Resume {
        /// The group
        group: String,
        #[command(flatten)]
        change: Change,
    },
    /// Put the watermarks of a paused group somewhere else
    #[command(group = clap::ArgGroup::new("target").required(true))]
    Seek {
        /// The group
        group: String,
        /// As if everything up to this number had taken effect; 0 is the beginning
        #[arg(long, value_name = "N", group = "target")]
        seq: Option<i64>,
        /// As if everything before had taken effect: RFC 3339, or how long ago, such as `15m`
        #[arg(long, value_name = "TIME", group = "target", value_parser = value::moment)]
        time: Option<DateTime<Utc>>,
        /// The producer whose events are meant
        #[arg(long, value_name = "SERVICE")]
        of: Service,
        /// Only this partition
        #[arg(long, value_name = "N")]
        partition: Option<i16>,
        #[command(flatten)]
        change: Change,
    },
    /// Make a group in Redis anew at its watermarks
    Recreate {
        /// The group
        group: String,
        #[command(flatten)]
        change: Change,
    },
}

/// Both sides of every subscription.
#[derive(Serialize)]
struct Listing {
    groups: Vec<Group>,
    registrations: Vec<Registered>,
}

#[derive(Serialize)]
struct Registered {
    producer: Service,
    #[serde(flatten)]
    registration: Registration,
}

/// What changed at one producer.
#[derive(Serialize)]
struct Partitions {
    producer: Service,
    #[serde(flatten)]
    done: Done<i16>,
}

impl Groups {
    /// The producer that it names.
    fn producer(&self) -> Option<Service> {
        match self {
            Self::Register { of, .. } | Self::Seek { of, .. } => Some(*of),
            Self::Retire { of, .. } => *of,
            Self::Ls | Self::Pause { .. } | Self::Resume { .. } | Self::Recreate { .. } => None,
        }
    }

    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect_with(global, self.producer()).await?;
        match self {
            Self::Ls => ls(global, &fleet).await?,
            Self::Register { group, of, change } => {
                let order = order(global, &change)?;
                let done = subscriptions::register(fleet.of(of)?, &order, &group).await?;
                show_partitions(global, &[Partitions { producer: of, done }], "registered")?;
            }
            Self::Retire { group, of, change } => {
                retire(global, &fleet, &group, of, &order(global, &change)?).await?;
            }
            Self::Pause { group, change } => {
                set_paused(global, &fleet, &group, &order(global, &change)?, true).await?;
            }
            Self::Resume { group, change } => {
                set_paused(global, &fleet, &group, &order(global, &change)?, false).await?;
            }
            Self::Seek { group, seq, time, of, partition, change } => {
                let target = match (seq, time) {
                    (Some(sequence), _) => Target::Sequence(sequence),
                    (None, Some(time)) => Target::Time(time),
                    (None, None) => return Err(Failure::Usage("--seq or --time".to_owned())),
                };
                let (site, order) = (fleet.of_group(&group).await?, order(global, &change)?);
                let producer = fleet.of(of)?;
                let done = seek::seek(site, producer, &order, &group, partition, target).await?;
                ui::show(global.json, &done, moves)?;
            }
            Self::Recreate { group, change } => {
                let (site, order) = (fleet.of_group(&group).await?, order(global, &change)?);
                let done = groups::recreate(site, &order, &group).await?;
                ui::show(global.json, &done, |done| {
                    places(done, "made anew", "would be made anew")
                })?;
            }
        }
        Ok(Verdict::Clean)
    }
}

async fn ls(global: &Global, fleet: &Fleet) -> Result<(), Failure> {
    let mut listing = Listing { groups: Vec::new(), registrations: Vec::new() };
    for site in &fleet.sites {
        listing.groups.extend(groups::list(site).await?);
        let registered = subscriptions::list(site).await?.into_iter();
        let of = |registration| Registered { producer: site.service, registration };
        listing.registrations.extend(registered.map(of));
    }
    ui::show(global.json, &listing, |listing| {
        let groups = listing.groups.iter().map(|group| {
            [
                group.consumer_group.clone(),
                format!("{}/{}", group.service, group.partition),
                group.sequence.to_string(),
                group.stream_epoch.to_string(),
                ui::or_dash(group.owner),
                ui::yes(group.is_paused),
                group.parked.to_string(),
            ]
        });
        let header = ["group", "reads", "watermark", "epoch", "owner", "paused", "parked"];
        let registrations = listing.registrations.iter().map(|registered| {
            let registration = &registered.registration;
            [
                format!("{}/{}", registered.producer, registration.partition),
                registration.consumer_group.clone(),
                registration.state.clone(),
                registration.sequence.to_string(),
                registration.epoch.to_string(),
                registration.reported_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            ]
        });
        let registry = ["producer", "waits for", "state", "reported", "epoch", "at (UTC)"];
        format!(
            "{}\n\n{}",
            ui::table(header, groups, "no consumer groups"),
            ui::table(registry, registrations, "nobody is registered with a producer")
        )
    })
}

async fn retire(
    global: &Global,
    fleet: &Fleet,
    group: &str,
    of: Option<Service>,
    order: &Order,
) -> Result<(), Failure> {
    let mut producers = Vec::new();
    for site in &fleet.sites {
        let registered = subscriptions::list(site).await?;
        let is_here = registered.iter().any(|row| row.consumer_group == group);
        if of.map_or(is_here, |of| of == site.service) {
            producers.push(site);
        }
    }
    if producers.is_empty() {
        return Err(Failure::Refused(format!(
            "no producer that is known here has registered `{group}`; `groups ls` lists who is registered"
        )));
    }
    let mut changed = Vec::new();
    for producer in producers {
        let done = subscriptions::retire(producer, order, group).await?;
        changed.push(Partitions { producer: producer.service, done });
    }
    show_partitions(global, &changed, "retired")
}

async fn set_paused(
    global: &Global,
    fleet: &Fleet,
    group: &str,
    order: &Order,
    is_paused: bool,
) -> Result<(), Failure> {
    let site = fleet.of_group(group).await?;
    let done = if is_paused {
        groups::pause(site, order, group).await?
    } else {
        groups::resume(site, order, group).await?
    };
    // For whoever looks at the producers; what stops the group is its own watermarks.
    for producer in &fleet.sites {
        subscriptions::mark(producer, order, group, is_paused).await?;
    }
    let (did, would) =
        if is_paused { ("paused", "would be paused") } else { ("resumed", "would be resumed") };
    ui::show(global.json, &done, |done| places(done, did, would))
}

fn places(done: &Done<Place>, did: &str, would: &str) -> String {
    let mut lines = vec![ui::changed(done.dry_run, done.changed.len(), did, would)];
    lines.extend(
        done.changed.iter().map(|place| format!("  {}/{}", place.service, place.partition)),
    );
    lines.join("\n")
}

fn moves(done: &Done<Move>) -> String {
    let mut lines = vec![ui::changed(done.dry_run, done.changed.len(), "moved", "would be moved")];
    for Move { partition, from, to, parked_forgotten } in &done.changed {
        let effect = if to > from {
            format!("{} events are skipped", to - from)
        } else {
            format!("{} events take effect again", from - to)
        };
        let parked = if *parked_forgotten > 0 {
            format!(", {parked_forgotten} parked ones are forgotten and come again")
        } else {
            String::new()
        };
        lines.push(format!("  partition {partition}: {from} to {to}, {effect}{parked}"));
    }
    lines.join("\n")
}

fn show_partitions(global: &Global, changed: &[Partitions], did: &str) -> Result<(), Failure> {
    ui::show(global.json, &changed, |changed| {
        let line = |Partitions { producer, done }: &Partitions| {
            let would = format!("would be {did}");
            format!("{producer}: {}", ui::changed(done.dry_run, done.changed.len(), did, &would))
        };
        changed.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
