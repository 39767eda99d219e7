//! What is seen at one moment, and how fast it moved since the one before.

use chrono::{DateTime, Utc};
use event_runtime::operator::lag::{self, Lag};
use event_runtime::operator::parked::{self, Filter, Parked};
use event_runtime::operator::relay;
use event_runtime::operator::streams;
use serde::Serialize;
use shared_schemas::Service;

use crate::exit::Failure;
use crate::fleet::{Fleet, now};
use crate::ui;

/// Parked events that fit on a screen.
const PARKED: i64 = 50;

/// Everything at one moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Snapshot {
    pub(super) at: DateTime<Utc>,
    pub(super) streams: Vec<StreamRow>,
    pub(super) groups: Vec<GroupRow>,
    pub(super) parked: Vec<Parked>,
}

/// One stream.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StreamRow {
    pub(super) key: String,
    pub(super) service: Service,
    pub(super) last: i64,
    pub(super) head: i64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) outbox: i64,
    pub(super) is_paused: bool,
    /// Events a second since the last look.
    pub(super) rate: f64,
}

/// One group on one partition.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GroupRow {
    #[serde(flatten)]
    pub(super) lag: Lag,
    /// Events a second since the last look.
    pub(super) rate: f64,
}

impl Snapshot {
    /// Looks at everything; rates are relative to `before`.
    pub(super) async fn take(fleet: &Fleet, before: Option<&Self>) -> Result<Self, Failure> {
        let at = now();
        let mut snapshot = Self { at, streams: Vec::new(), groups: Vec::new(), parked: Vec::new() };
        for site in &fleet.sites {
            let relay = relay::status(site).await?;
            for stream in streams::list(site).await? {
                let last = i64::try_from(stream.last).unwrap_or(i64::MAX);
                let earlier = before.and_then(|before| {
                    before.streams.iter().find(|row| row.key == stream.key).map(|row| row.last)
                });
                snapshot.streams.push(StreamRow {
                    service: site.service,
                    last,
                    head: stream.head,
                    entries: stream.length,
                    bytes: stream.bytes,
                    outbox: relay.outbox,
                    is_paused: relay.pause.is_some(),
                    rate: rate(before, at, earlier, last),
                    key: stream.key,
                });
            }
            snapshot.parked.extend(parked::list(site, &Filter::default(), PARKED).await?);
        }
        for lag in lag::list(&fleet.sites, at).await? {
            let earlier = before.and_then(|before| {
                let same = |row: &&GroupRow| {
                    (&row.lag.group, &row.lag.service, row.lag.partition)
                        == (&lag.group, &lag.service, lag.partition)
                };
                before.groups.iter().find(same).map(|row| row.lag.watermark)
            });
            let rate = rate(before, at, earlier, lag.watermark);
            snapshot.groups.push(GroupRow { lag, rate });
        }
        Ok(snapshot)
    }

    /// For a terminal that is none.
    pub(super) fn to_text(&self) -> String {
        let streams = self.streams.iter().map(|row| {
            [row.key.clone(), row.last.to_string(), row.head.to_string(), row.entries.to_string()]
        });
        let groups = self.groups.iter().map(|GroupRow { lag, .. }| {
            [
                lag.group.clone(),
                format!("{}/{}", lag.service, lag.partition),
                lag.lag.to_string(),
                lag.parked.to_string(),
                crate::lag::state(lag).to_owned(),
            ]
        });
        format!(
            "{}\n\n{}",
            ui::table(["stream", "last", "store", "entries"], streams, "no streams"),
            ui::table(["group", "reads", "lag", "parked", "state"], groups, "no groups")
        )
    }
}

/// Events a second between two looks.
fn rate(before: Option<&Snapshot>, at: DateTime<Utc>, earlier: Option<i64>, later: i64) -> f64 {
    let (Some(before), Some(earlier)) = (before, earlier) else { return 0.0 };
    let seconds = (at - before.at).as_seconds_f64();
    if seconds <= 0.0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let events = later.saturating_sub(earlier) as f64;
    events / seconds
}
