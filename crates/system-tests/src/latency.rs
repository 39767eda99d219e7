//! From a POST to every projection: how long until what one person writes is what another one sees.

use std::time::Duration;

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database, raw_sql};
use tokio::time::Instant;

use crate::person::Person;

/// Where a comment shows up, and the query that finds it there.
pub const PROJECTIONS: [&str; 4] = ["post totals", "activity profile", "notification", "mint"];

/// Milliseconds from the request to each projection, one row per comment.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Until the answer to the request.
    pub answered: Vec<f64>,
    /// Until each of [`PROJECTIONS`] shows it.
    pub visible: [Vec<f64>; 4],
    /// Until the last of them does.
    pub everywhere: Vec<f64>,
}

/// The value below which a share of the values lie; 0 for none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand values"
    )]
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Comments on a post again and again, and watches the rows of every projection change.
///
/// # Errors
///
/// If a comment is not visible everywhere within ten seconds.
pub async fn measure(
    postgres: &str,
    author: &Person,
    reader: &Person,
    rounds: usize,
) -> Result<Latencies> {
    let db = Database::connect(postgres).await?;
    let post = author.post("A measured post", "How fast do you see this?", "TECHNOLOGY").await?;
    let mut latencies = Latencies::default();
    let (post_id, reader_id): (uuid::Uuid, uuid::Uuid) = (post.parse()?, reader.id.parse()?);
    for round in 1..=rounds {
        let expected = i64::try_from(round)?;
        let started = Instant::now();
        let comment: uuid::Uuid =
            reader.comment(&post, &format!("Reading number {round}.")).await?.parse()?;
        latencies.answered.push(millis(started));
        let mut seen = [None; 4];
        while seen.iter().any(Option::is_none) {
            anyhow::ensure!(
                started.elapsed() < Duration::from_secs(10),
                "not visible after 10 s: {seen:?}"
            );
            let row = db
                .query_one_raw(raw_sql!(
                    Postgres,
                    "SELECT coalesce((SELECT comments FROM post.engagement WHERE post_id = {post_id}), 0) >= {expected} AS a,
                            coalesce((SELECT comments FROM engagement.activity WHERE user_id = {reader_id}), 0) >= {expected} AS b,
                            (SELECT count(*) FROM engagement.event WHERE type = 'notification.generated.v1'
                               AND data->'about'->>'comment_id' = {comment}::text) > 0 AS c,
                            (SELECT count(*) FROM minting.event WHERE type = 'mint.requested.v1'
                               AND data->'subject'->>'id' = {comment}::text) > 0 AS d"
                ))
                .await?
                .context("a row")?;
            for (slot, column) in seen.iter_mut().zip(["a", "b", "c", "d"]) {
                if slot.is_none() && row.try_get::<bool>("", column)? {
                    *slot = Some(millis(started));
                }
            }
        }
        for (values, seen) in latencies.visible.iter_mut().zip(seen) {
            values.extend(seen);
        }
        latencies.everywhere.push(seen.into_iter().flatten().fold(0.0, f64::max));
    }
    Ok(latencies)
}

/// Milliseconds of single-row transactions on the same server: the limit that nothing durable can beat.
///
/// # Errors
///
/// If the database does not answer.
pub async fn bare_commits(postgres: &str, rounds: usize) -> Result<Vec<f64>> {
    let db = Database::connect(postgres).await?;
    db.execute_unprepared("CREATE TABLE IF NOT EXISTS public.bare_commit (at timestamptz)").await?;
    let mut values = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        db.execute_unprepared("INSERT INTO public.bare_commit VALUES (now())").await?;
        values.push(millis(started));
    }
    db.execute_unprepared("DROP TABLE public.bare_commit").await?;
    Ok(values)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();

        assert!((percentile(&values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0.99) - 99.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 0.5).abs() < f64::EPSILON);
    }
}
