//! Others on the same Redis: the same messages, the same faults, one after the other.
//!
//! Every peer is a program with two commands, `produce` and `consume`. A consumer handles a message by writing a line, at
//! once, so that what was handled is known whatever happens to it. Ours is measured twice: with a handler that writes such a
//! line, and with one whose effect is a row in the transaction that moves the watermark.

mod ours;
mod theirs;
mod trial;

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Scale;
use crate::{
    bed::Ground,
    figures::percentile,
    report::{Peers, note},
};
use trial::{Contestant, Outcome, Trial};

pub(crate) const HEADER: [&str; 10] = [
    "who",
    "published/s",
    "handled/s",
    "p50 ms",
    "p99 ms",
    "out of order",
    "killed: lost / doubled",
    "back after s",
    "FLUSHALL: lost / doubled",
    "malformed: lost",
];

/// How a peer is started, as whoever prepared it wrote down.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Manifest {
    name: String,
    /// What it was told to do.
    note: String,
    /// The command up to `produce` or `consume`; empty if it could not be installed.
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: std::collections::BTreeMap<String, String>,
    /// Why it could not be installed.
    error: Option<String>,
    /// Messages of the throughput trial.
    #[serde(default)]
    events: u64,
    /// Whether it keeps its messages in a stream; a malformed one has another form elsewhere.
    #[serde(default)]
    is_stream: bool,
}

/// What one of them did; `None` where a trial failed altogether.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) who: String,
    published_per_second: f64,
    handled_per_second: f64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
    out_of_order: u64,
    killed: Outcome,
    flushed: Outcome,
    malformed: Outcome,
}

impl Row {
    pub(crate) fn cells(&self) -> [String; 10] {
        let both = |outcome: &Outcome| format!("{} / {}", outcome.lost, outcome.doubled);
        [
            self.who.clone(),
            format!("{:.0}", self.published_per_second),
            format!("{:.0}", self.handled_per_second),
            format!("{:.1}", self.latency_p50_ms),
            format!("{:.1}", self.latency_p99_ms),
            self.out_of_order.to_string(),
            both(&self.killed),
            format!("{:.1}", self.killed.longest_ms / 1e3),
            both(&self.flushed),
            self.malformed.lost.to_string(),
        ]
    }
}

/// Runs every trial of everybody whose preparation is written down in `manifests`.
pub(crate) async fn measure(ground: &mut Ground, scale: Scale, manifests: &Path) -> Result<Peers> {
    let text = std::fs::read_to_string(manifests).context("the peers are not prepared")?;
    let manifests: Vec<Manifest> = serde_json::from_str(&text)?;
    let mut found = Peers::default();
    for ours in [ours::Effect::Line, ours::Effect::Row] {
        let mut contestant = ours::Ours::new(ours);
        found.rows.push(row(ground, scale, &mut contestant).await?);
        found.notes.push(format!("{}: {}", contestant.name(), contestant.note()));
    }
    for manifest in manifests {
        let (name, told) = (manifest.name.clone(), manifest.note.clone());
        if let Some(error) = &manifest.error {
            found.notes.push(format!("{name}: not measured, it could not be installed: {error}"));
            continue;
        }
        let mut contestant = theirs::Theirs::new(manifest);
        match row(ground, scale, &mut contestant).await {
            Ok(row) => {
                found.rows.push(row);
                found.notes.push(format!("{name}: {told}"));
            }
            Err(error) => found.notes.push(format!("{name}: not measured: {error:#}")),
        }
    }
    Ok(found)
}

async fn row(ground: &mut Ground, scale: Scale, who: &mut impl Contestant) -> Result<Row> {
    note(format_args!("  {}", who.name()));
    let events = who.throughput_events() / scale.pick(1, 5);
    let paced =
        |rate: u64, seconds: u64| Trial { rate, events: rate * seconds, ..Trial::default() };

    let throughput = who.run(ground, Trial { events, ..Trial::default() }).await?;
    let latency = who.run(ground, paced(200, scale.pick(10, 4))).await?;
    let backlog = Trial { events: events / 2, consumers: 2, ..Trial::default() };
    let order = who.run(ground, backlog).await?;
    let killed = who.run(ground, Trial { kill: true, ..backlog }).await?;
    let flushed = who.run(ground, Trial { flush: true, consumers: 1, ..backlog }).await?;
    let malformed =
        who.run(ground, Trial { malformed: true, ..paced(500, scale.pick(6, 4)) }).await?;
    note(format_args!(
        "    throughput {throughput:?}\n    latency p50 {:.1}\n    order {order:?}\n    killed {killed:?}\n    flushed {flushed:?}\n    malformed {malformed:?}",
        percentile(&latency.latencies_ms, 0.5)
    ));
    Ok(Row {
        who: who.name(),
        published_per_second: throughput.published_per_second,
        handled_per_second: throughput.handled_per_second,
        latency_p50_ms: percentile(&latency.latencies_ms, 0.5),
        latency_p99_ms: percentile(&latency.latencies_ms, 0.99),
        out_of_order: throughput.out_of_order + order.out_of_order,
        killed,
        flushed,
        malformed,
    })
}
