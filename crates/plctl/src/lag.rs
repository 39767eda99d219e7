//! `lag`: how far every group is behind.

use event_runtime::operator::lag::{self, Lag as Row};

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, now};
use crate::ui;

/// Lists every group with its distance to the end of what it reads.
#[derive(clap::Args)]
pub(crate) struct Lag {
    /// Only this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

impl Lag {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        let mut rows = lag::list(&fleet.sites, now()).await?;
        rows.retain(|row| self.group.as_ref().is_none_or(|group| row.group == *group));
        ui::show(global.json, &rows, |rows| {
            let header = [
                "group",
                "reads",
                "watermark",
                "head",
                "lag",
                "seconds",
                "pending",
                "parked",
                "state",
            ];
            ui::table(header, rows.iter().map(row), "no consumer group")
        })?;
        Ok(Verdict::Clean)
    }
}

fn row(lag: &Row) -> [String; 9] {
    [
        lag.group.clone(),
        format!("{}/{}", lag.service, lag.partition),
        lag.watermark.to_string(),
        lag.head.to_string(),
        lag.lag.to_string(),
        ui::or_dash(lag.seconds),
        lag.pending.to_string(),
        lag.parked.to_string(),
        state(lag).to_owned(),
    ]
}

/// Who works on it, in a word or two.
pub(crate) fn state(lag: &Row) -> &'static str {
    match (lag.is_paused, lag.is_owned) {
        (true, _) => "paused",
        (false, true) => "owned",
        (false, false) => "no owner",
    }
}
