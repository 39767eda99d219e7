//! What a stack weighs while it runs: memory of every process, and the lists that must not grow.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use fred::{
    clients::Client,
    interfaces::{ClientLike as _, KeysInterface as _, StreamsInterface as _},
    types::{InfoKind, Value},
};
use local_stack::stack::Stack;
use sea_orm::{Database, DatabaseConnection, FromQueryResult, Statement};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::oracle::STORES;

/// How often everything is weighed.
const WEIGH: Duration = Duration::from_secs(2);

/// A process that is younger than this is still filling its caches and pools.
const YOUTH: Duration = Duration::from_secs(30);

/// What was weighed.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Megabytes of memory by the age of the process, one list per life of a process.
    lives: BTreeMap<(String, i32), Vec<(Duration, f64)>>,
    /// Megabytes that Redis says it uses, by time.
    pub redis: Vec<(Duration, f64)>,
    /// Entries that groups have read and not acknowledged, all together.
    pub pending: Vec<u64>,
    /// Effects ahead of their watermark, all services together.
    pub inbox: Vec<u64>,
}

/// How the memory of one process went.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// The process.
    pub name: String,
    /// The most megabytes it ever held.
    pub most: f64,
    /// Megabytes per minute in its longest life, its youth not counted; `None` if it never grew old enough.
    pub per_minute: Option<f64>,
}

impl Weights {
    /// How the memory of every process went.
    pub fn growth(&self) -> Vec<Growth> {
        let mut found: BTreeMap<&str, Growth> = BTreeMap::new();
        let mut longest: BTreeMap<&str, Duration> = BTreeMap::new();
        for ((name, _), samples) in &self.lives {
            let growth = found.entry(name).or_insert_with(|| Growth {
                name: name.clone(),
                most: 0.0,
                per_minute: None,
            });
            growth.most = samples.iter().map(|(_, weight)| *weight).fold(growth.most, f64::max);
            let old: Vec<_> = samples.iter().filter(|(age, _)| *age > YOUTH).copied().collect();
            let age = samples.last().map_or(Duration::ZERO, |(age, _)| *age);
            let longest = longest.entry(name).or_default();
            if age > *longest && age > 2 * YOUTH {
                *longest = age;
                growth.per_minute = slope_per_minute(&old);
            }
        }
        found.into_values().collect()
    }
}

/// The slope of the line through the samples with the least squares; `None` for fewer than ten.
pub fn slope_per_minute(samples: &[(Duration, f64)]) -> Option<f64> {
    if samples.len() < 10 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
    let count = samples.len() as f64;
    let minutes = |age: &Duration| age.as_secs_f64() / 60.0;
    let mean_time = samples.iter().map(|(age, _)| minutes(age)).sum::<f64>() / count;
    let mean_weight = samples.iter().map(|(_, weight)| weight).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (age, weight) in samples {
        let off = minutes(age) - mean_time;
        above += off * (weight - mean_weight);
        below += off * off;
    }
    (below > 0.0).then(|| above / below)
}

/// Weighs everything every two seconds until told to stop. What is down at a moment is not weighed at that moment.
///
/// # Errors
///
/// If the database cannot be reached at the start.
pub async fn watch(stack: &Stack, stop: CancellationToken) -> Result<Weights> {
    let db = Database::connect(&stack.endpoints().postgres).await?;
    let mut weights = Weights::default();
    let mut births: BTreeMap<(String, i32), Instant> = BTreeMap::new();
    let began = Instant::now();
    while !stop.is_cancelled() {
        for (name, process) in stack.processes().await {
            let life = (name, process.pid);
            if let Some(weight) = resident_megabytes(process.pid) {
                let birth = *births.entry(life.clone()).or_insert_with(Instant::now);
                weights.lives.entry(life).or_default().push((birth.elapsed(), weight));
            }
        }
        if let Ok(inbox) = inbox(&db).await {
            weights.inbox.push(inbox);
        }
        let look = tokio::time::timeout(Duration::from_secs(2), look(stack.redis_admin_url()));
        if let Ok(Ok((used, pending))) = look.await {
            weights.redis.push((began.elapsed(), used));
            weights.pending.push(pending);
        }
        tokio::select! {
            () = stop.cancelled() => (),
            () = tokio::time::sleep(WEIGH) => (),
        }
    }
    Ok(weights)
}

/// Entries that are pending and effects that are ahead of their watermark, now.
///
/// # Errors
///
/// If Redis or the database does not answer.
pub async fn unfinished(stack: &Stack) -> Result<(u64, u64)> {
    let db = Database::connect(&stack.endpoints().postgres).await?;
    let (_, pending) = look(stack.redis_admin_url()).await?;
    Ok((pending, inbox(&db).await?))
}

/// Megabytes of memory of a process; `None` if there is none.
fn resident_megabytes(pid: i32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

async fn inbox(db: &DatabaseConnection) -> Result<u64> {
    let mut rows = 0;
    for store in STORES {
        let sql = format!("SELECT count(*) FROM {store}.inbox");
        let statement = Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, []);
        let count = Count::find_by_statement(statement).one(db).await?;
        rows += u64::try_from(count.context("no row")?.count)?;
    }
    Ok(rows)
}

/// Megabytes that Redis uses, and how much is pending in all groups of all streams.
async fn look(url: &str) -> Result<(f64, u64)> {
    let config = fred::types::config::Config::from_url(url)?;
    let redis = fred::types::Builder::from_config(config).build()?;
    let connection = redis.init().await?;
    let found = look_with(&redis).await;
    redis.quit().await?;
    connection.await??;
    found
}

async fn look_with(redis: &Client) -> Result<(f64, u64)> {
    let info: String = redis.info(Some(InfoKind::Memory)).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let bytes: f64 = used.context("no used_memory")?.trim().parse()?;
    let mut pending = 0;
    let mut cursor = "0".to_owned();
    loop {
        let (next, keys): (String, Vec<String>) =
            redis.scan_page(cursor, "ev:*", Some(200), None).await?;
        for key in keys {
            let groups: Vec<BTreeMap<String, Value>> = redis.xinfo_groups(key).await?;
            pending += groups
                .iter()
                .filter_map(|group| group.get("pending").and_then(Value::as_u64))
                .sum::<u64>();
        }
        cursor = next;
        if cursor == "0" {
            return Ok((bytes / 1024.0 / 1024.0, pending));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn samples(count: u64, per_second: f64) -> Vec<(Duration, f64)> {
        (0..count).map(|at| (Duration::from_secs(at), 50.0 + per_second * at as f64)).collect()
    }

    #[test]
    fn a_leak_has_a_slope_and_a_flat_line_has_none() {
        assert!((slope_per_minute(&samples(60, 0.5)).unwrap() - 30.0).abs() < 1e-6);
        assert!(slope_per_minute(&samples(60, 0.0)).unwrap().abs() < 1e-6);
        assert_eq!(slope_per_minute(&samples(9, 1.0)), None);
    }

    #[test]
    fn the_youth_of_a_process_is_not_a_leak() {
        let mut weights = Weights::default();
        let young = (0..30_u32).map(|at| (Duration::from_secs(at.into()), 2.0 * f64::from(at)));
        let old = (31..120).map(|at| (Duration::from_secs(at), 60.0));
        weights.lives.insert(("post".to_owned(), 1), young.chain(old).collect());
        weights.lives.insert(("post".to_owned(), 2), samples(20, 9.0));

        let growth = weights.growth();

        assert_eq!(growth.len(), 1);
        let post = growth.first().unwrap();
        assert!(post.per_minute.unwrap().abs() < 1e-6);
        assert!(post.most > 200.0, "the short life counts for the most");
    }
}
