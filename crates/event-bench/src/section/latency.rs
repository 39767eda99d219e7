//! From commit to effect, at several shares of what the system can carry.

use std::time::{Duration, Instant};

use anyhow::Result;
use event_runtime::RuntimeBuilder;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Running, Scale};
use crate::{
    bed::{Bed, Ground},
    figures::percentile,
    load::{self, Effect, IN_FLIGHT},
    report::{Figure, Goal, note},
    sample::{Log, text},
};

const SECTION: &str = "latency";
const GROUP: &str = "engagement.log";
/// Aggregates that take turns, so that no writer waits for another one's lock.
const AGGREGATES: u64 = 1_000;
/// Events of one more aggregate, before anything is measured.
const FIRST: u64 = 100;

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let time = scale.pick(Duration::from_secs(12), Duration::from_secs(4));
    let capacity = capacity(ground, time / 2).await?;
    let mut figures =
        vec![Figure::new(SECTION, "capacity: recorded and applied", capacity, "events/s")];
    for percent in [10, 50, 80] {
        let rate = capacity * f64::from(percent) / 100.0;
        let effects = paced(ground, rate, time).await?;
        note(format_args!("  {percent} %: {rate:.0} events/s, {} events", effects.len()));
        let millis = |from: fn(&Effect) -> i64| -> Vec<f64> {
            effects.iter().map(|effect| (effect.applied - from(effect)) as f64 / 1e3).collect()
        };
        let (commit, intent) = (millis(|effect| effect.recorded), millis(|effect| effect.intended));
        let at = |values: &[f64], from: &str, name: &str, share: f64| {
            let what = format!("{percent} % load, {from} to effect, {name}");
            Figure::new(SECTION, what, percentile(values, share), "ms")
        };
        let mut judged = [at(&commit, "commit", "p50", 0.5), at(&commit, "commit", "p99", 0.99)];
        if percent == 50 {
            let [p50, p99] = judged;
            judged = [p50.goal(Goal::Below(5.0)), p99.goal(Goal::Below(20.0))];
        }
        figures.extend(judged);
        figures.extend([
            at(&commit, "commit", "p99.9", 0.999),
            at(&intent, "intended moment", "p50", 0.5),
            at(&intent, "intended moment", "p99", 0.99),
            at(&intent, "intended moment", "p99.9", 0.999),
        ]);
    }
    Ok(figures)
}

/// Events per second that are recorded and take effect when writers do not wait for a pace.
async fn capacity(ground: &mut Ground, time: Duration) -> Result<f64> {
    let bed = ground.bed(1).await?;
    let running = both(&bed).await?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..IN_FLIGHT as u64 {
        let samples = bed.samples();
        writers.spawn(async move {
            let mut written = 0;
            while began.elapsed() < time {
                // Its own aggregates.
                let turn = writer + IN_FLIGHT as u64 * (written % (AGGREGATES / IN_FLIGHT as u64));
                load::take(&samples, turn, &text()).await?;
                written += 1;
            }
            anyhow::Ok(written)
        });
    }
    let mut written = 0;
    while let Some(writer) = writers.join_next().await {
        written += writer??;
    }
    bed.reached(GROUP, FIRST + written, Duration::from_mins(2)).await?;
    let took = began.elapsed();
    for part in running {
        part.stop().await;
    }
    Ok(written as f64 / took.as_secs_f64())
}

/// Records events at a pace, waits for their effects, and looks when each was made.
async fn paced(ground: &mut Ground, rate: f64, time: Duration) -> Result<Vec<Effect>> {
    let bed = ground.bed(1).await?;
    let running = both(&bed).await?;
    let events = (rate * time.as_secs_f64()) as u64;
    load::paced(&bed, rate, events, AGGREGATES).await?;
    bed.reached(GROUP, FIRST + events, Duration::from_mins(2)).await?;
    for part in running {
        part.stop().await;
    }
    let mut effects = load::effects(&bed).await?;
    effects.retain(|effect| effect.aggregate_id != Uuid::from_u128(u128::from(AGGREGATES + 1)));
    anyhow::ensure!(effects.len() as u64 == events, "not every event had one effect");
    Ok(effects)
}

/// The producer and the consumer, each with pools of its own.
async fn both(bed: &Bed) -> Result<[Running; 2]> {
    let relay = RuntimeBuilder::new(bed.post.clone(), bed.redis_url.clone());
    let consumer =
        RuntimeBuilder::new(bed.engagement.clone(), bed.redis_url.clone()).projection(Log);
    let running = [Running::start(relay)?, Running::start(consumer)?];
    // The first event waits for leases, groups and connections, which is another question.
    for _ in 0..FIRST {
        load::take(&bed.samples(), AGGREGATES, &text()).await?;
    }
    bed.reached(GROUP, FIRST, Duration::from_mins(1)).await?;
    Ok(running)
}
