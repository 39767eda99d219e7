//! The promises of the runtime, checked against what is there.

use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use shared_schemas::Service;
use uuid::Uuid;

use super::{
    CommandError, Site,
    gaps::{self, Finding, to_i64},
    streams::{self, Stream},
    subscriptions,
};

/// Entries per page when a stream is compared with its store.
const PAGE: u64 = 500;

/// One promise, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The promise, in a word: `gaps`, `order`, `content`, `trim`, `parked`.
    pub check: &'static str,
    /// Whose events.
    pub service: Service,
    /// How many things were looked at.
    pub looked_at: u64,
    /// Where it does not hold.
    pub findings: Vec<Finding>,
}

#[derive(FromQueryResult)]
struct Disorder {
    partition: i16,
    sequence: i64,
    aggregate_id: Uuid,
}

#[derive(FromQueryResult)]
struct Stored {
    sequence: i64,
    id: Uuid,
}

#[derive(FromQueryResult)]
struct Behind {
    consumer_group: String,
    partition: i16,
    sequence: i64,
}

/// Checks every promise for every site; `progress` is told what is being looked at.
///
/// # Errors
///
/// [`CommandError`] if a database or Redis fails.
pub async fn run(
    sites: &[Site],
    progress: &(dyn Fn(Service, &'static str) + Sync),
) -> Result<Vec<Check>, CommandError> {
    let mut checks = Vec::new();
    let Some(first) = sites.first() else { return Ok(checks) };
    progress(first.service, "gaps");
    // Of all at once: the readers of one site's events are on the others.
    let gaps = gaps::check(sites).await?;
    for site in sites {
        let here = gaps.findings.iter().filter(|finding| finding.service == site.service);
        let courses = gaps.courses.iter().filter(|course| course.service == site.service);
        let numbered = courses.map(|course| course.numbered).sum::<i64>();
        checks.push(check(site, "gaps", numbered, here.cloned().collect()));

        progress(site.service, "order");
        checks.push(check(site, "order", numbered, order(site).await?));

        progress(site.service, "content");
        let (mut entries, mut findings) = (0, Vec::new());
        let on_redis = streams::list(site).await?;
        for stream in &on_redis {
            entries += content(site, stream, &mut findings).await?;
        }
        checks.push(check(site, "content", entries, findings));

        progress(site.service, "trim");
        let registered = subscriptions::list(site).await?;
        let findings = trim(site, &on_redis, &registered);
        checks.push(check(site, "trim", registered.len(), findings));

        progress(site.service, "parked");
        let findings = parked(site).await?;
        checks.push(check(site, "parked", findings.len(), findings));
    }
    Ok(checks)
}

fn check(
    site: &Site,
    check: &'static str,
    looked_at: impl TryInto<u64>,
    findings: Vec<Finding>,
) -> Check {
    let looked_at = looked_at.try_into().unwrap_or_default();
    Check { check, service: site.service, looked_at, findings }
}

/// Within an aggregate, numbers rise as versions do.
async fn order(site: &Site) -> Result<Vec<Finding>, DbErr> {
    let disorder = Disorder::find_by_statement(raw_sql!(
        Postgres,
        "SELECT partition, sequence, aggregate_id FROM (
           SELECT p.partition, p.sequence, e.aggregate_id,
                  e.aggregate_version < lag(e.aggregate_version)
                    OVER (PARTITION BY e.aggregate_type, e.aggregate_id, p.partition ORDER BY p.sequence) AS is_late
             FROM publication p JOIN event e USING (position)) placed
           WHERE is_late ORDER BY partition, sequence LIMIT 100"
    ))
    .all(&site.db)
    .await?;
    let finding = |row: Disorder| {
        let what = format!("{} of {} comes after a later version", row.sequence, row.aggregate_id);
        Finding::new("order", site, row.partition, what)
    };
    Ok(disorder.into_iter().map(finding).collect())
}

/// Every entry of a stream is the event that the store has at that place. Returns how many were compared; stops at the first
/// page with a difference.
async fn content(
    site: &Site,
    stream: &Stream,
    findings: &mut Vec<Finding>,
) -> Result<i64, CommandError> {
    let (partition, mut after, mut compared) = (stream.partition, 0, 0);
    loop {
        let entries = streams::ids_after(site, stream, after, PAGE).await?;
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
            return Ok(compared);
        };
        let (from, to) = (to_i64(*first), to_i64(*last));
        after = *last;
        let stored = Stored::find_by_statement(raw_sql!(
            Postgres,
            "SELECT p.sequence, e.id FROM publication p JOIN event e USING (position)
               WHERE p.partition = {partition} AND p.sequence BETWEEN {from} AND {to} ORDER BY p.sequence"
        ))
        .all(&site.db)
        .await?;
        let before = findings.len();
        for (sequence, event_id) in &entries {
            compared += 1;
            let at = stored.iter().find(|stored| stored.sequence == to_i64(*sequence));
            let what = match (at, event_id) {
                (Some(at), Some(id)) if at.id.to_string() == *id => continue,
                (Some(at), Some(id)) => {
                    format!("{sequence} is event {id} in {} and {} in the store", stream.key, at.id)
                }
                (Some(_), None) => format!("{sequence} in {} is no event", stream.key),
                (None, _) => format!("{sequence} in {} is not in the store", stream.key),
            };
            findings.push(Finding::new("content", site, partition, what));
        }
        if findings.len() > before {
            return Ok(compared);
        }
    }
}

/// Nothing has left a stream that a registered group has not read.
fn trim(
    site: &Site,
    on_redis: &[Stream],
    registered: &[subscriptions::Registration],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in registered.iter().filter(|group| group.state != "retired") {
        let Some(stream) = on_redis.iter().find(|stream| stream.partition == group.partition)
        else {
            continue;
        };
        let first = if stream.length > 0 { to_i64(stream.first) } else { to_i64(stream.last) + 1 };
        if first > group.sequence + 1 && stream.exists {
            let what = format!(
                "{} begins at {first} and {} has read to {} only",
                stream.key, group.consumer_group, group.sequence
            );
            findings.push(Finding::new("trim", site, group.partition, what));
        }
    }
    findings
}

/// What waits behind an earlier event of its aggregate has such an event before it.
async fn parked(site: &Site) -> Result<Vec<Finding>, DbErr> {
    let alone = Behind::find_by_statement(raw_sql!(
        Postgres,
        "SELECT p.consumer_group, p.partition, p.sequence FROM parked_event p
           WHERE p.reason = 'behind' AND p.retry_at IS NULL AND NOT EXISTS (
             SELECT FROM parked_event q
               WHERE (q.consumer_group, q.aggregate_id) = (p.consumer_group, p.aggregate_id)
                 AND (q.service, q.partition, q.sequence) < (p.service, p.partition, p.sequence))
           ORDER BY 1, 2, 3 LIMIT 100"
    ))
    .all(&site.db)
    .await?;
    let finding = |row: Behind| {
        let what = format!(
            "{} is parked in {} behind an event that is not parked: redrive it",
            row.sequence, row.consumer_group
        );
        Finding::new("parked", site, row.partition, what)
    };
    Ok(alone.into_iter().map(finding).collect())
}
