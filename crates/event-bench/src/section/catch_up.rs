//! A long way to go: how fast, and what the processes weigh meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use event_runtime::{relay::last_sequence, stream::StreamKey};
use fred::{
    interfaces::{ClientLike as _, StreamsInterface as _},
    types::InfoKind,
};
use shared_schemas::Service;

use super::Scale;
use crate::{
    bed::{Bed, Ground},
    figures::resident_megabytes,
    process,
    report::{Figure, Goal, note},
    worker::Role,
};

const SECTION: &str = "catch-up";
const GROUP: &str = "engagement.nothing";
const AGGREGATES: u64 = 10_000;
/// How often everything is weighed.
const WEIGH: Duration = Duration::from_millis(250);
/// Megabytes by which a process may grow after its first fifth: caches and buffers fill, and nothing else.
const GROWTH: f64 = 32.0;

/// Megabytes at one moment.
#[derive(Clone, Copy, Debug)]
struct Weight {
    applied: u64,
    relay: f64,
    consumer: f64,
    redis: f64,
}

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let events = scale.pick(1_000_000, 100_000);
    let bed = ground.bed(1).await?;
    note("  recording");
    bed.record(events, AGGREGATES).await?;
    bed.number().await?;
    let directory = ground.directory().to_owned();
    let relay = process::start(&bed, Role::Relay, &directory)?;
    let stream = StreamKey::new(Service::Post, 0);
    while last_sequence(&bed.redis, stream).await? < events {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nobody was there, so the stream has only the last ones: all others come from the store.
    let left: u64 = bed.redis.xlen(stream.to_string()).await?;
    ensure!(left < events / 5, "the stream still has {left} of {events} events");
    let consumer = process::start(&bed, Role::Nothing, &directory)?;
    let (seconds, weights) = follow(&bed, events, relay.pid(), consumer.pid()).await?;

    let figure = |what: String, value, unit| Figure::new(SECTION, what, value, unit);
    let mut figures = vec![figure(
        format!("a new group: {events} events, most of them from the store"),
        events as f64 / seconds,
        "events/s",
    )];
    for (name, of) in [
        ("relay", (|weight| weight.relay) as fn(&Weight) -> f64),
        ("consumer", |weight| weight.consumer),
        ("redis", |weight| weight.redis),
    ] {
        let most = weights.iter().map(of).fold(0.0, f64::max);
        let early = weights.iter().filter(|weight| weight.applied <= events / 5);
        let early = early.map(of).fold(0.0, f64::max);
        figures.push(figure(format!("memory of {name}, most"), most, "MB"));
        figures.push(
            figure(format!("memory of {name}, growth after the first fifth"), most - early, "MB")
                .goal(Goal::Below(GROWTH)),
        );
    }
    Ok(figures)
}

/// Weighs everything until all is applied; returns the seconds that took.
async fn follow(bed: &Bed, events: u64, relay: u32, consumer: u32) -> Result<(f64, Vec<Weight>)> {
    let began = Instant::now();
    let mut first = None;
    let mut weights = Vec::new();
    loop {
        let applied = bed.watermark(GROUP).await?;
        if applied > 0 && first.is_none() {
            first = Some(Instant::now());
        }
        weights.push(Weight {
            applied,
            relay: resident_megabytes(relay)?,
            consumer: resident_megabytes(consumer)?,
            redis: used_megabytes(bed).await?,
        });
        if applied >= events {
            let first = first.context("nothing was applied")?;
            return Ok((first.elapsed().as_secs_f64(), weights));
        }
        ensure!(
            began.elapsed() < Duration::from_mins(10),
            "{applied} of {events} after ten minutes"
        );
        tokio::time::sleep(WEIGH).await;
    }
}

async fn used_megabytes(bed: &Bed) -> Result<f64> {
    let info: String = bed.redis.info(Some(InfoKind::Memory)).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let bytes: f64 = used.context("no used_memory")?.trim().parse()?;
    Ok(bytes / 1024.0 / 1024.0)
}
