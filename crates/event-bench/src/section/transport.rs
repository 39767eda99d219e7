//! Publish, read, hand to a handler that does nothing, acknowledge: what is already stored and numbered.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use event_runtime::{RuntimeBuilder, redis, relay::Relay, stream::StreamKey};
use fred::{interfaces::StreamsInterface, types::Value};

use super::{Running, Scale, until_leased};
use crate::{
    bed::{Bed, Ground},
    figures::{Processor, median},
    raw,
    report::{Figure, Goal, note},
    sample::{Nothing, text},
};

const SECTION: &str = "transport";
/// Different aggregates among the events.
const AGGREGATES: u64 = 10_000;
/// How many times everything is measured; the figures are medians.
const ROUNDS: usize = 3;

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let events = scale.pick(200_000, 40_000);
    let rounds = scale.pick(ROUNDS, 1);
    let mut found = Found::default();
    for round in 1..=rounds {
        let bare = vec![("p".to_owned(), format!(r#"{{"text":"{}"}}"#, text()))];
        let limit = raw::ceiling(ground.redis.port(), events, bare).await?;

        let bed = ground.bed(1).await?;
        bed.record(events, AGGREGATES).await?;
        let before = ground.processor()?;
        found.number.push(publish(&bed, events).await?);
        let number = ground.processor()?.per_event(before, events);

        let bed = stored(ground, events).await?;
        let before = ground.processor()?;
        found.publish.push(publish(&bed, events).await?);
        let published = ground.processor()?.per_event(before, events);
        let shape = fields(&bed).await?;
        let before = ground.processor()?;
        found.consume.push(consume(&bed, events).await?);
        let consumed = ground.processor()?.per_event(before, events);
        for (cost, now) in found.costs.iter_mut().zip([number, published, consumed]) {
            cost.push(now);
        }
        found.whole.push(whole(&ground.bed(1).await?, events).await?);

        let same_fields = raw::ceiling(ground.redis.port(), events, shape).await?;
        note(format_args!(
            "  round {round}: 300 bytes {limit:?}; our fields {same_fields:?}; {found:?}"
        ));
        found.append.push(limit.append);
        found.read.push(limit.read);
        found.acknowledge.push(limit.acknowledge);
        found.ceiling.push(limit.events_per_second());
        found.same_fields.push(same_fields.events_per_second());
    }
    let figure =
        |what: &str, values: &[f64]| Figure::new(SECTION, what, median(values), "events/s");
    let (append, read, acknowledge) =
        (median(&found.append), median(&found.read), median(&found.acknowledge));
    let mut figures = vec![
        figure("raw XADD of 300 bytes, pipelined", &found.append),
        figure("raw XREADGROUP, 500 at a time", &found.read),
        figure("raw XACK, 100 at a time", &found.acknowledge),
        figure("number and publish", &found.number).of(append),
        figure("publish what has its number", &found.publish).of(append),
        figure("read, handle, acknowledge", &found.consume)
            .of(1.0 / (1.0 / read + 1.0 / acknowledge)),
        figure("from the store to acknowledged, our fields", &found.whole)
            .of(median(&found.same_fields)),
        figure("from the store to acknowledged", &found.whole)
            .of(median(&found.ceiling))
            .goal(Goal::Share(0.6)),
    ];
    for (what, costs) in
        ["number and publish", "publish", "read, handle, acknowledge"].iter().zip(&found.costs)
    {
        for (who, of) in [
            ("this process", (|cost| cost.ours) as fn(&Processor) -> f64),
            ("redis", |cost| cost.redis),
            ("postgresql", |cost| cost.postgres),
        ] {
            let cost = median(&costs.iter().map(of).collect::<Vec<_>>());
            figures.push(Figure::new(
                SECTION,
                format!("{what}: processor, {who}"),
                cost,
                "us/event",
            ));
        }
    }
    Ok(figures)
}

/// Events per second, one value per round.
#[derive(Debug, Default)]
struct Found {
    append: Vec<f64>,
    read: Vec<f64>,
    acknowledge: Vec<f64>,
    ceiling: Vec<f64>,
    /// The ceiling with entries that have all the fields that ours have.
    same_fields: Vec<f64>,
    number: Vec<f64>,
    publish: Vec<f64>,
    consume: Vec<f64>,
    whole: Vec<f64>,
    /// Microseconds of processor per event: numbering and publishing, publishing, consuming.
    costs: [Vec<Processor>; 3],
}

/// A bed whose events are recorded and numbered.
async fn stored(ground: &mut Ground, events: u64) -> Result<Bed> {
    let bed = ground.bed(1).await?;
    store_events(&bed, events).await?;
    Ok(bed)
}

async fn store_events(bed: &Bed, events: u64) -> Result<()> {
    bed.record(events, AGGREGATES).await?;
    bed.number().await
}

/// The relay alone.
async fn publish(bed: &Bed, events: u64) -> Result<f64> {
    let mut relay = Relay::new(bed.post.clone(), redis::connect(&bed.redis_url)?);
    let began = Instant::now();
    let mut published = 0;
    while published < events {
        published += relay.publish_all().await? as u64;
    }
    Ok(events as f64 / began.elapsed().as_secs_f64())
}

/// The consumer alone, on a stream that holds everything.
async fn consume(bed: &Bed, events: u64) -> Result<f64> {
    let handler = Nothing::default();
    let builder = RuntimeBuilder::new(bed.engagement.clone(), bed.redis_url.clone());
    let running = Running::start(builder.projection(handler.clone()))?;
    // Until it has its lease and its group, which every start takes and no event.
    while handler.handled.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    bed.reached("engagement.nothing", events, Duration::from_mins(2)).await?;
    let took = began.elapsed();
    running.stop().await;
    Ok(events as f64 / took.as_secs_f64())
}

/// Relay and consumer side by side, as two services are, from the start of the relay to the last acknowledgement.
async fn whole(bed: &Bed, events: u64) -> Result<f64> {
    let handler = Nothing::default();
    let builder = RuntimeBuilder::new(bed.engagement.clone(), bed.redis_url.clone());
    // Nobody reads streams that their producer has not announced.
    let relay = Running::start(RuntimeBuilder::new(bed.post.clone(), bed.redis_url.clone()))?;
    let consumer = Running::start(builder.projection(handler.clone()))?;
    until_leased(bed).await?;
    relay.stop().await;
    store_events(bed, events).await?;
    let began = Instant::now();
    let relay = Running::start(RuntimeBuilder::new(bed.post.clone(), bed.redis_url.clone()))?;
    bed.reached("engagement.nothing", events, Duration::from_mins(2)).await?;
    let took = began.elapsed();
    relay.stop().await;
    consumer.stop().await;
    anyhow::ensure!(handler.handled.load(Ordering::Relaxed) == events, "not every event once");
    Ok(events as f64 / took.as_secs_f64())
}

/// The fields of an entry as we write them.
async fn fields(bed: &Bed) -> Result<Vec<(String, String)>> {
    let entries: Vec<(String, std::collections::HashMap<String, Value>)> = bed
        .redis
        .xrange(StreamKey::new(shared_schemas::Service::Post, 0).to_string(), "-", "+", Some(1))
        .await?;
    let (_, fields) = entries.into_iter().next().context("no entry")?;
    let text = |value: Value| value.into_string().unwrap_or_default();
    Ok(fields.into_iter().map(|(name, value)| (name, text(value))).collect())
}
