//! A row per aggregate and the watermark, in one transaction per batch, beside a program that does only that.

use std::time::{Duration, Instant};

use anyhow::Result;
use event_runtime::{RuntimeBuilder, redis, relay::Relay};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _, raw_sql};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Running, Scale};
use crate::{
    bed::{Bed, Ground, pool},
    figures::median,
    report::{Figure, Goal, note},
    sample::{Rows, upsert},
};

const SECTION: &str = "projection";
const GROUP: &str = "engagement.rows";
/// Different aggregates among the events.
const AGGREGATES: u64 = 10_000;
/// Events per transaction of the program that ours is compared with: as many as the runtime reads at once.
const BATCH: u64 = 256;

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let events = scale.pick(60_000, 15_000);
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=scale.pick(3, 1) {
        let bed = filled_with(ground, events, AGGREGATES).await?;
        plain.push(by_hand(&bed, events, 1).await?);
        let bed = filled_with(ground, events, AGGREGATES).await?;
        ours.push(consume(&bed, events, Rows { refuses: false }).await?);
        note(format_args!("  round {round}: by hand {plain:?}, ours {ours:?}"));
    }
    let limit = median(&plain);
    Ok(vec![
        Figure::new(SECTION, "by hand: 256 upserts and a watermark per commit", limit, "events/s"),
        Figure::new(SECTION, "a projection of the same rows", median(&ours), "events/s")
            .of(limit)
            .goal(Goal::Share(0.8)),
    ])
}

/// A bed whose stream holds everything.
pub(super) async fn filled_with(ground: &mut Ground, events: u64, aggregates: u64) -> Result<Bed> {
    let bed = ground.bed(1).await?;
    bed.record(events, aggregates).await?;
    bed.number().await?;
    let mut relay = Relay::new(bed.post.clone(), redis::connect(&bed.redis_url)?);
    let mut published = 0;
    while published < events {
        published += relay.publish_all().await? as u64;
    }
    Ok(bed)
}

/// The same rows in the same order, without Redis, leases, fences or events: one connection per writer.
async fn by_hand(bed: &Bed, events: u64, writers: u64) -> Result<f64> {
    let db = pool(&bed.engagement_url, u32::try_from(writers)?).await?;
    for writer in 0..i32::try_from(writers)? {
        db.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO watermark (consumer_group, service, partition) VALUES ('by hand', 'post', {writer})"
        ))
        .await?;
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        tasks.spawn(write(db.clone(), writer, writers, events));
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(events as f64 / began.elapsed().as_secs_f64())
}

async fn write(db: DatabaseConnection, writer: u64, writers: u64, events: u64) -> Result<()> {
    let partition = i32::try_from(writer)?;
    let mine: Vec<u64> = (writer..events).step_by(writers as usize).collect();
    for batch in mine.chunks(BATCH as usize) {
        let txn = db.begin().await?;
        let last = i64::try_from(batch.last().copied().unwrap_or(0))?;
        txn.execute_raw(raw_sql!(
            Postgres,
            "UPDATE watermark SET sequence = {last} WHERE consumer_group = 'by hand' AND partition = {partition}"
        ))
        .await?;
        for event in batch {
            let id = Uuid::from_u128(u128::from(event % AGGREGATES + 1));
            upsert(&txn, id, i64::try_from(event / AGGREGATES + 1)?).await?;
        }
        txn.commit().await?;
    }
    Ok(())
}

/// Events per second that a projection applies out of a full stream.
pub(super) async fn consume(bed: &Bed, events: u64, rows: Rows) -> Result<f64> {
    let builder = RuntimeBuilder::new(bed.engagement.clone(), bed.redis_url.clone());
    let running = Running::start(builder.projection(rows))?;
    while bed.watermark(GROUP).await? == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (began, from) = (Instant::now(), bed.watermark(GROUP).await?);
    bed.reached(GROUP, events, Duration::from_mins(3)).await?;
    let took = began.elapsed();
    running.stop().await;
    Ok((events - from) as f64 / took.as_secs_f64())
}
