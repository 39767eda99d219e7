//! What it costs to record an event that others will hear of.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use event_runtime::Expected;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _, raw_sql};
use shared_schemas::{EventId, envelope::Metadata};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Scale;
use crate::{
    bed::{Bed, Ground, pool},
    figures::median,
    report::{Figure, Goal, note},
    sample::{SampleEvent, text},
};

const SECTION: &str = "append";
/// Writers at once.
const WRITERS: u64 = 16;

/// What a writer does.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The row of the event in a transaction, and nothing else.
    Bare,
    /// A command on a new aggregate, with a private event: no outbox.
    WithoutOutbox,
    /// The same with a public event.
    WithOutbox,
}

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let time = scale.pick(Duration::from_secs(3), Duration::from_secs(1));
    let bed = ground.bed(1).await?;
    let bare = pool(&bed.post_url, u32::try_from(WRITERS)?).await?;
    let mut found: [Vec<f64>; 3] = Default::default();
    // In turns, so that whatever else the machine does hits all of them.
    for round in 1..=scale.pick(4, 2) {
        for (way, found) in
            [Way::Bare, Way::WithoutOutbox, Way::WithOutbox].into_iter().zip(&mut found)
        {
            found.push(write(&bed, &bare, way, time).await?);
        }
        note(format_args!("  round {round}: {found:?}"));
    }
    let [bare, without, with] = found.map(|values| median(&values));
    let figure = |what: &str, value| Figure::new(SECTION, what, value, "commits/s");
    Ok(vec![
        figure("bare insert in a transaction, 16 writers", bare),
        figure("command with a private event", without).of(bare),
        figure("command with a public event, against a private one", with).of(without),
        figure("command with a public event", with).of(bare).goal(Goal::Share(0.9)),
    ])
}

/// Commits per second of all writers together.
async fn write(bed: &Bed, bare: &DatabaseConnection, way: Way, time: Duration) -> Result<f64> {
    let commits = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (commits, bare) = (Arc::clone(&commits), bare.clone());
        let (samples, clock) = (bed.samples(), bed.post.clock().clone());
        writers.spawn(async move {
            while began.elapsed() < time {
                // Random ids, as those of real aggregates.
                let id = EventId::new(clock.now()).0;
                let event = match way {
                    Way::Bare => {
                        insert(&bare, id).await?;
                        commits.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    Way::WithoutOutbox => SampleEvent::Kept { text: text() },
                    Way::WithOutbox => SampleEvent::Taken { text: text() },
                };
                samples
                    .execute::<std::convert::Infallible>(
                        id,
                        Expected::New,
                        &Metadata::default(),
                        |_| Ok(vec![event.clone()]),
                    )
                    .await?;
                commits.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(commits.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

async fn insert(db: &DatabaseConnection, id: Uuid) -> Result<()> {
    let data = serde_json::json!({ "text": text() });
    let txn = db.begin().await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data, metadata,
                            occurred_at)
           VALUES ({id}, 'bare', {id}, 1, 'sample.kept.v1', false, {data}, jsonb_build_object(), now())"
    ))
    .await?;
    txn.commit().await?;
    Ok(())
}
