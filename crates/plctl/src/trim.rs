//! `trim`: what everybody has read leaves the streams.

use clap::ValueEnum;
use event_runtime::operator::trimming::{self, TrimmedStream};

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::ui;

/// Trims streams now, instead of within ten seconds by a relay; never what a registered group has not read.
#[derive(clap::Args)]
pub(crate) struct Trim {
    /// Do it; without it, `--dry-run` says what would go and what stands in the way
    #[arg(value_name = "ACTION", required_unless_present = "dry_run")]
    action: Option<Action>,
    /// Entries of each stream that stay although everybody has read them
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    retention: u64,
    #[command(flatten)]
    change: Change,
}

/// What to do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Trim
    Run,
}

impl Trim {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        let mut order = order(global, &self.change)?;
        order.dry_run |= self.action.is_none();
        let mut trimmed = Vec::new();
        for site in &fleet.sites {
            trimmed.extend(trimming::run(site, &order, self.retention).await?);
        }
        ui::show(global.json, &trimmed, |trimmed| {
            let row = |stream: &TrimmedStream| {
                let in_the_way = match (&stream.missing, &stream.held_by) {
                    (Some(group), _) => format!("{group} is registered and not in Redis"),
                    (None, Some(group)) => format!("{group} has not read it"),
                    (None, None) => String::new(),
                };
                [
                    stream.key.clone(),
                    stream.entries.to_string(),
                    ui::or_dash(stream.first),
                    stream.through.to_string(),
                    in_the_way,
                ]
            };
            let entries = if order.dry_run { "would go" } else { "went" };
            let header = ["stream", entries, "begins at", "may go through", "in the way"];
            ui::table(header, trimmed.iter().map(row), "no streams")
        })?;
        Ok(Verdict::Clean)
    }
}
