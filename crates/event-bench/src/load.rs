//! Events at a pace that does not wait for the system (open loop), and when each of them had its effect.
//!
//! Every event has a moment at which it is meant to be recorded, and carries it. A system that stalls makes later events late
//! too, and they count from their own intended moment: a stall cannot hide the requests that it kept from being made.
//! The moments of commits are PostgreSQL's own (`track_commit_timestamp`), so looking costs nothing while it runs.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use event_runtime::{Expected, Streams};
use sea_orm::{FromQueryResult, raw_sql};
use shared_schemas::envelope::Metadata;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use uuid::Uuid;

use crate::{
    bed::Bed,
    sample::{Sample, SampleEvent, text_of},
};

/// Events that may be on their way into the store at once; more wait, and their waiting counts.
pub(crate) const IN_FLIGHT: usize = 16;

/// How long a writer tries again while the database is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records one event of aggregate `number`.
pub(crate) async fn take(samples: &Streams<Sample>, number: u64, text: &str) -> Result<()> {
    samples
        .execute::<std::convert::Infallible>(
            Uuid::from_u128(u128::from(number) + 1),
            Expected::Any,
            &Metadata::default(),
            |_| Ok(vec![SampleEvent::Taken { text: text.to_owned() }]),
        )
        .await?;
    Ok(())
}

/// Records `events` events of `aggregates` aggregates in turn, `rate` per second, and tries again while the database is away.
pub(crate) async fn paced(bed: &Bed, rate: f64, events: u64, aggregates: u64) -> Result<()> {
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    let (began, began_at) = (Instant::now(), bed.post.clock().now().timestamp_micros());
    let mut writers = JoinSet::new();
    for number in 0..events {
        let offset = Duration::from_secs_f64(number as f64 / rate);
        tokio::time::sleep_until(began + offset).await;
        let (samples, places) = (bed.samples(), Arc::clone(&places));
        let text = text_of(began_at + i64::try_from(offset.as_micros())?);
        writers.spawn(async move {
            let _place = places.acquire().await?;
            let began = Instant::now();
            loop {
                match take(&samples, number % aggregates, &text).await {
                    Ok(()) => return anyhow::Ok(()),
                    Err(error) if began.elapsed() > PATIENCE => return Err(error),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        while let Some(writer) = writers.try_join_next() {
            writer??;
        }
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

/// One effect of [`Log`](crate::sample::Log); moments in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(crate) struct Effect {
    pub(crate) aggregate_id: Uuid,
    pub(crate) version: i64,
    /// When the event was meant to be recorded.
    pub(crate) intended: i64,
    /// When it was.
    pub(crate) recorded: i64,
    /// When the effect was committed.
    pub(crate) applied: i64,
}

/// Every effect, in the order in which they were made.
pub(crate) async fn effects(bed: &Bed) -> Result<Vec<Effect>> {
    let query = raw_sql!(
        Postgres,
        "SELECT l.aggregate_id, l.version, split_part(e.data->>'text', ' ', 1)::bigint AS intended,
                (extract(epoch FROM pg_xact_commit_timestamp(e.xmin)) * 1000000)::bigint AS recorded,
                (extract(epoch FROM pg_xact_commit_timestamp(l.xmin)) * 1000000)::bigint AS applied
           FROM engagement.sample_log l
           JOIN post.event e ON e.aggregate_id = l.aggregate_id AND e.aggregate_version = l.version
           ORDER BY l.id"
    );
    Ok(Effect::find_by_statement(query).all(&bed.db).await?)
}

/// Events without an effect, effects beyond the first, and effects out of the order of their aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: i64,
    pub(crate) doubled: i64,
    pub(crate) out_of_order: i64,
}

impl Faults {
    /// Compares every event with every effect.
    pub(crate) async fn of(bed: &Bed) -> Result<Self> {
        let lost = bed
            .number_of(
                "SELECT count(*) FROM post.event e WHERE e.is_public AND NOT EXISTS (
                   SELECT FROM engagement.sample_log l
                    WHERE l.aggregate_id = e.aggregate_id AND l.version = e.aggregate_version)",
            )
            .await?;
        let doubled = bed
            .number_of(
                "SELECT count(*) - count(DISTINCT (aggregate_id, version)) FROM engagement.sample_log",
            )
            .await?;
        let out_of_order = bed
            .number_of(
                "SELECT count(*) FROM (
                   SELECT version < lag(version) OVER (PARTITION BY aggregate_id ORDER BY id) AS is_late
                     FROM engagement.sample_log) effects WHERE is_late",
            )
            .await?;
        Ok(Self { lost, doubled, out_of_order })
    }
}
