//! From a request to moderation's decision about the text, while others write, too.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use event_runtime::Clock;
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::{Database, DatabaseConnection, FromQueryResult, raw_sql};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::{
    client::{Client, until},
    person::Person,
    workload::{self, Done},
};

/// Requests in flight where as many as possible are made.
const CONCURRENCY: usize = 16;

/// How long the last decision may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long decisions take.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// Comments a second that were accepted and decided when as many as possible were written.
    pub capacity: f64,
    /// Comments a second that were written then, at intended moments.
    pub offered: f64,
    /// Milliseconds from the moment at which a comment was to be written to the record of the decision: what waits
    /// because something before it was slow counts in full.
    pub milliseconds: Vec<f64>,
}

#[derive(FromQueryResult)]
struct Decided {
    aggregate_id: Uuid,
    occurred_at: DateTime<Utc>,
}

/// Finds the capacity with `count` comments, and writes as many again at half of it.
///
/// # Errors
///
/// If a comment is refused, or not decided within a minute.
pub async fn measure(postgres: &str, client: &Client, count: usize) -> Result<Decisions> {
    let db = Database::connect(postgres).await?;
    // Enough people that nobody floods.
    let people = workload::people(client, 48, &Done::default()).await?;
    let author = people.first().context("nobody signed up")?;
    let post = author.post("A busy post", "How fast is all of this read?", "TECHNOLOGY").await?;
    // The first ones fill caches and pools.
    write_all(&db, &people, &post, 64).await?;

    let started = Instant::now();
    write_all(&db, &people, &post, count).await?;
    let capacity = per_second(count, started.elapsed());
    let offered = capacity / 2.0;
    let written = write_at(&people, &post, count, offered).await?;
    let milliseconds = decided(&db, &written).await?;
    Ok(Decisions { capacity, offered, milliseconds })
}

/// Writes comments as fast as it goes, and waits for the decisions.
async fn write_all(
    db: &DatabaseConnection,
    people: &[Person],
    post: &str,
    count: usize,
) -> Result<()> {
    let written: Vec<(Uuid, DateTime<Utc>)> = stream::iter(0..count)
        .map(|number| write(people, post, number, Clock::System.now()))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    decided(db, &written).await?;
    Ok(())
}

/// Writes comments at regular moments, whatever becomes of those before them.
async fn write_at(
    people: &[Person],
    post: &str,
    count: usize,
    per_second: f64,
) -> Result<Vec<(Uuid, DateTime<Utc>)>> {
    let (began, began_at) = (Instant::now(), Clock::System.now());
    stream::iter(0..count)
        .map(|number| async move {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let after = Duration::from_secs_f64(number as f64 / per_second);
            sleep_until(began + after).await;
            write(people, post, number, began_at + after).await
        })
        .buffer_unordered(count.max(1))
        .try_collect()
        .await
}

async fn write(
    people: &[Person],
    post: &str,
    number: usize,
    intended: DateTime<Utc>,
) -> Result<(Uuid, DateTime<Utc>)> {
    let person = people.get(number % people.len()).context("nobody there")?;
    let words = ["quiet", "early", "rainy", "sunny", "windy", "long", "short", "late"];
    let word = |at: usize| words.get(at % words.len()).copied().unwrap_or_default();
    let text = format!(
        "On the {} morning of day {number} the {} walk along the river took us past {} boats.",
        word(number),
        word(number / 8),
        number % 90 + 2,
    );
    let id = person.comment(post, &text).await?.parse()?;
    Ok((id, intended))
}

/// Waits for the decisions, and tells how long each took.
async fn decided(db: &DatabaseConnection, written: &[(Uuid, DateTime<Utc>)]) -> Result<Vec<f64>> {
    let ids: Vec<Uuid> = written.iter().map(|(id, _)| *id).collect();
    let ids = serde_json::json!(ids);
    let rows = until(PATIENCE, || async {
        let rows = Decided::find_by_statement(raw_sql!(
            Postgres,
            "SELECT aggregate_id, occurred_at FROM moderation.event
               WHERE type = 'screening.completed.v1'
                 AND aggregate_id IN (SELECT wanted.id::uuid FROM jsonb_array_elements_text({ids}::jsonb) AS wanted (id))"
        ))
        .all(db)
        .await?;
        ensure!(rows.len() >= written.len(), "{} decisions of {}", rows.len(), written.len());
        Ok(rows)
    })
    .await?;
    let found = |id: &Uuid| rows.iter().find(|row| row.aggregate_id == *id);
    written
        .iter()
        .map(|(id, intended)| {
            let row = found(id).context("a comment was not decided")?;
            let took = row.occurred_at - *intended;
            took.to_std().map(|took| took.as_secs_f64() * 1e3).context("decided before written")
        })
        .collect()
}

fn per_second(count: usize, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}
