//! `parked`: events that could not be applied.

use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, Subcommand};
use event_runtime::operator::Site;
use event_runtime::operator::parked::{self, Filter, Outcome, Redrive};
use serde::Serialize;
use shared_schemas::Service;
use uuid::Uuid;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::{ui, value};

/// How often it is looked what became of redriven events.
const POLL: Duration = Duration::from_millis(250);

/// How long an outcome must stay the same to be one.
const SETTLED: Duration = Duration::from_secs(2);

/// Events that could not be applied.
#[derive(Subcommand)]
pub(crate) enum Parked {
    /// Parked events, and what waits behind them
    Ls {
        #[command(flatten)]
        which: Which,
        /// At most this many per service
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: i64,
    },
    /// One parked event in full
    Show {
        /// The group
        group: String,
        /// Its sequence number
        sequence: i64,
    },
    /// Have the groups' owners try again, oldest first per aggregate
    #[command(group = ArgGroup::new("what").required(true).multiple(true))]
    Redrive {
        #[command(flatten)]
        which: Chosen,
        /// At most this many aggregates
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: i64,
        /// Aggregates a second
        #[arg(long, value_name = "N", default_value_t = 100)]
        rate: u32,
        /// How long to wait for the outcome; 0 does not wait
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = value::duration)]
        wait: Duration,
        #[command(flatten)]
        change: Change,
    },
    /// Give one event up: it never takes effect in this group
    Skip {
        /// The group
        group: String,
        /// Its sequence number
        sequence: i64,
        /// Whose event it is
        #[arg(long, value_name = "SERVICE")]
        of: Service,
        /// Its partition
        #[arg(long, value_name = "N")]
        partition: i16,
        #[command(flatten)]
        change: Change,
    },
    /// All parked events in full, one JSON object per line
    Export {
        #[command(flatten)]
        which: Which,
    },
}

/// Which parked events are meant.
#[derive(Args)]
pub(crate) struct Which {
    /// Of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Of this aggregate
    #[arg(long, value_name = "ID")]
    aggregate: Option<Uuid>,
    /// Of this event type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// With this text in the error
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

/// Which are meant, where one has to say so.
#[derive(Args)]
pub(crate) struct Chosen {
    /// Of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Of this aggregate
    #[arg(long, value_name = "ID", group = "what")]
    aggregate: Option<Uuid>,
    /// Of this event type
    #[arg(long = "type", value_name = "TYPE", group = "what")]
    event_type: Option<String>,
    /// With this text in the error
    #[arg(long, value_name = "TEXT", group = "what")]
    error: Option<String>,
    /// All of them
    #[arg(long, group = "what")]
    all: bool,
}

impl From<Which> for Filter {
    fn from(which: Which) -> Self {
        let Which { group, aggregate, event_type, error } = which;
        Self { group, aggregate, event_type, error, ..Self::default() }
    }
}

impl From<Chosen> for Filter {
    fn from(chosen: Chosen) -> Self {
        // That all are meant is what no filter says.
        let Chosen { group, aggregate, event_type, error, all: _ } = chosen;
        Self { group, aggregate, event_type, error, ..Self::default() }
    }
}

/// What became of a redrive.
#[derive(Default, Serialize)]
struct Redriven {
    dry_run: bool,
    aggregates: Vec<Redrive>,
    applied: usize,
    failed_again: usize,
    waiting: usize,
}

impl Parked {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls { which, limit } => {
                let rows = select(&fleet, &which.into(), limit).await?;
                ui::show(global.json, &rows, |rows| list(rows))?;
            }
            Self::Show { group, sequence } => {
                let filter =
                    Filter { group: Some(group), sequence: Some(sequence), ..Filter::default() };
                let rows = select(&fleet, &filter, 100).await?;
                if rows.is_empty() {
                    return Err(Failure::Refused(
                        "no such event is parked; `parked ls` lists them".to_owned(),
                    ));
                }
                ui::show(true, &rows, |_| String::new())?;
            }
            Self::Redrive { which, limit, rate, wait, change } => {
                let order = order(global, &change)?;
                let filter = which.into();
                let mut chosen = Vec::new();
                for site in &fleet.sites {
                    chosen.push((site, parked::redrive(site, &order, &filter, limit, rate).await?));
                }
                let chosen = chosen.into_iter().map(|(site, done)| (site, done.changed)).collect();
                return redrive(global, chosen, order.dry_run, wait).await;
            }
            Self::Skip { group, sequence, of, partition, change } => {
                let (site, order) = (fleet.of_group(&group).await?, order(global, &change)?);
                let of = of.as_str();
                let done = parked::skip(site, &order, &group, of, partition, sequence).await?;
                ui::show(global.json, &done, |done| {
                    ui::changed(done.dry_run, done.changed.len(), "skipped", "would be skipped")
                })?;
            }
            Self::Export { which } => {
                for row in select(&fleet, &which.into(), i64::MAX).await? {
                    ui::json_line(&row)?;
                }
            }
        }
        Ok(Verdict::Clean)
    }
}

async fn select(
    fleet: &Fleet,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<parked::Parked>, Failure> {
    let mut rows = Vec::new();
    for site in &fleet.sites {
        rows.extend(parked::list(site, filter, limit).await?);
    }
    Ok(rows)
}

/// Waits until owners have tried everything, and says what came of it.
async fn redrive(
    global: &Global,
    chosen: Vec<(&Site, Vec<Redrive>)>,
    dry_run: bool,
    wait: Duration,
) -> Result<Verdict, Failure> {
    let total: usize = chosen.iter().map(|(_, redriven)| redriven.len()).sum();
    let mut report = Redriven { dry_run, waiting: total, ..Redriven::default() };
    if !dry_run && total > 0 {
        follow(&chosen, total, wait, &mut report).await?;
    }
    report.aggregates = chosen.into_iter().flat_map(|(_, redriven)| redriven).collect();
    ui::show(global.json, &report, |report| {
        if dry_run || total == 0 {
            return ui::changed(dry_run, total, "", "aggregates would be tried again");
        }
        let Redriven { applied, failed_again, waiting, .. } = report;
        let hint = if *waiting > 0 { "; the group's owner takes them up when it runs" } else { "" };
        format!("applied {applied}, failed again {failed_again}, still waiting {waiting}{hint}")
    })?;
    Ok(if report.failed_again > 0 { Verdict::Findings } else { Verdict::Clean })
}

/// Counts outcomes until there are no more to come, or the time is over.
async fn follow(
    chosen: &[(&Site, Vec<Redrive>)],
    total: usize,
    wait: Duration,
    report: &mut Redriven,
) -> Result<(), Failure> {
    let (busy, began) = (ui::Busy::new("redriving"), Instant::now());
    let mut moved = began;
    loop {
        let mut outcomes = Vec::new();
        for (site, redriven) in chosen {
            outcomes.extend(parked::outcomes(site, redriven).await?);
        }
        let count = |meant| outcomes.iter().filter(|outcome| **outcome == meant).count();
        let (applied, failed_again) = (count(Outcome::Applied), count(Outcome::FailedAgain));
        if (applied, failed_again) != (report.applied, report.failed_again) {
            (report.applied, report.failed_again, moved) = (applied, failed_again, Instant::now());
        }
        report.waiting = count(Outcome::Waiting);
        busy.at((total - report.waiting) as u64, Some(total as u64));
        // An attempt is counted before its outcome is known: a failure is one when it stays one.
        let is_settled = failed_again == 0 || moved.elapsed() > SETTLED;
        if (report.waiting == 0 && is_settled) || began.elapsed() >= wait {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn list(rows: &[parked::Parked]) -> String {
    let row = |parked: &parked::Parked| {
        [
            parked.consumer_group.clone(),
            format!("{}/{}", parked.service, parked.partition),
            parked.sequence.to_string(),
            ui::or_dash(parked.event_type.as_deref()),
            ui::or_dash(parked.aggregate_id),
            parked.reason.clone(),
            parked.attempts.to_string(),
            parked.parked_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            ui::or_dash(parked.retry_at.map(|at| at.format("%H:%M:%S").to_string())),
            parked.error.chars().take(60).collect(),
        ]
    };
    let header = [
        "group",
        "reads",
        "sequence",
        "type",
        "aggregate",
        "reason",
        "tried",
        "since (UTC)",
        "again",
        "error",
    ];
    ui::table(header, rows.iter().map(row), "nothing is parked")
}
