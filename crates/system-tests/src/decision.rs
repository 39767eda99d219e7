//! From a request to moderation's decision about the text, while others write, too.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use event_runtime::Clock;
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::{Database, DatabaseConnection, FromQueryResult, raw_sql};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::{
    client::Client,
    person::Person,
    workload::{self, Done},
};

/// Requests in flight where as many as possible are made.
const CONCURRENCY: usize = 16;

/// How long the last decision may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the database is asked whether all is decided: it has better things to do meanwhile.
const LOOK: Duration = Duration::from_millis(250);

/// How long decisions take.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// Comments a second that were accepted and decided when as many as possible were written.
    pub capacity: f64,
    /// Comments a second that were written then, at intended moments.
    pub offered: f64,
    /// Milliseconds from the moment at which a comment was to be written to its record: what waits because something before it
    /// was slow counts in full.
    pub to_record: Vec<f64>,
    /// Milliseconds from the record of a comment to the record of the decision.
    pub to_decision: Vec<f64>,
    /// Milliseconds from the moment at which a comment was to be written to the record of the decision.
    pub milliseconds: Vec<f64>,
}

impl Decisions {
    fn of(capacity: f64, offered: f64, took: &[Took]) -> Self {
        Self {
            capacity,
            offered,
            to_record: took.iter().map(|took| took.to_record).collect(),
            to_decision: took.iter().map(|took| took.to_decision).collect(),
            milliseconds: took.iter().map(|took| took.to_record + took.to_decision).collect(),
        }
    }
}

/// How long the two halves of the way took, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Took {
    to_record: f64,
    to_decision: f64,
}

impl Took {
    fn of(intended: DateTime<Utc>, decided: &Decided) -> Option<Self> {
        Some(Self {
            to_record: milliseconds(intended, decided.recorded_at)?,
            to_decision: milliseconds(decided.recorded_at, decided.judged_at)?,
        })
    }
}

#[derive(Clone, Copy, FromQueryResult)]
struct Decided {
    aggregate_id: Uuid,
    recorded_at: DateTime<Utc>,
    judged_at: DateTime<Utc>,
}

/// Finds the capacity with `count` comments, and writes as many again at half of it, or at `rate` a second.
///
/// # Errors
///
/// If a comment is refused, or not decided within a minute.
pub async fn measure(
    postgres: &str,
    client: &Client,
    count: usize,
    rate: Option<f64>,
) -> Result<Decisions> {
    let db = Database::connect(postgres).await?;
    // Enough people that hardly anybody floods.
    let people = workload::people(client, (count / 6).max(48), &Done::default()).await?;
    let author = people.first().context("nobody signed up")?;
    let post = author.post("A busy post", "How fast is all of this read?", "TECHNOLOGY").await?;
    // The first ones fill caches and pools.
    write_all(&db, &people, &post, 64).await?;

    let began = Clock::System.now();
    let last = write_all(&db, &people, &post, count).await?;
    let capacity = per_second(count, (last - began).to_std()?);
    let offered = rate.unwrap_or(capacity / 2.0);
    let written = write_at(&people, &post, count, offered).await?;
    let took: Vec<Took> = decided(&db, &written)
        .await?
        .iter()
        .zip(&written)
        .map(|(decided, (_, intended))| Took::of(*intended, decided))
        .collect::<Option<_>>()
        .context("decided or recorded before it was written")?;
    Ok(Decisions::of(capacity, offered, &took))
}

/// Writes comments as fast as it goes, and waits for the decisions; the moment of the last one.
async fn write_all(
    db: &DatabaseConnection,
    people: &[Person],
    post: &str,
    count: usize,
) -> Result<DateTime<Utc>> {
    let written: Vec<(Uuid, DateTime<Utc>)> = stream::iter(0..count)
        .map(|number| write(people, post, number, Clock::System.now()))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let decided = decided(db, &written).await?;
    decided.iter().map(|decided| decided.judged_at).max().context("nothing was decided")
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
    let text = sentence(number as u64);
    let id = person.comment(post, &text).await?.parse()?;
    Ok((id, intended))
}

/// Words for sentences.
const WORDS: &str = "river morning window garden answer machine winter letter kitchen station mountain teacher bicycle question \
    summer picture village doctor market evening bridge language island student coffee history engine forest weather \
    planet keyboard theatre butter holiday ticket candle newspaper orange pocket railway silver shoulder music country \
    quietly opened carried across behind painted another usually yellow followed without waited toward remembered several \
    borrowed repaired early because together finished always";

/// A sentence that has little in common with those of other numbers: near-copies are a flood, which is another measurement.
fn sentence(number: u64) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = fastrand::Rng::with_seed(number);
    let text: Vec<&str> = (0..16).filter_map(|_| random.choice(words.iter().copied())).collect();
    text.join(" ")
}

/// Waits for the decisions about what was written, and gives them in its order.
async fn decided(
    db: &DatabaseConnection,
    written: &[(Uuid, DateTime<Utc>)],
) -> Result<Vec<Decided>> {
    let ids: Vec<Uuid> = written.iter().map(|(id, _)| *id).collect();
    let ids = serde_json::json!(ids);
    let query = raw_sql!(
        Postgres,
        "SELECT aggregate_id, comment.occurred_at AS recorded_at, screening.occurred_at AS judged_at
           FROM moderation.event AS screening
           JOIN interaction.event AS comment USING (aggregate_id)
           WHERE screening.type = 'screening.completed.v1' AND comment.aggregate_version = 1
             AND aggregate_id IN (SELECT wanted.id::uuid FROM jsonb_array_elements_text({ids}::jsonb) AS wanted (id))"
    );
    let deadline = Instant::now() + PATIENCE;
    let rows = loop {
        let rows = Decided::find_by_statement(query.clone()).all(db).await?;
        if rows.len() >= written.len() {
            break rows;
        }
        ensure!(Instant::now() < deadline, "{} decisions of {}", rows.len(), written.len());
        sleep(LOOK).await;
    };
    let of_id: HashMap<Uuid, Decided> = rows.iter().map(|row| (row.aggregate_id, *row)).collect();
    let found = |(id, _): &(Uuid, _)| of_id.get(id).copied();
    written.iter().map(found).collect::<Option<_>>().context("a comment was not decided")
}

fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<f64> {
    Some((to - from).to_std().ok()?.as_secs_f64() * 1e3)
}

fn per_second(count: usize, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}
