//! Holes, anywhere between the store and the readers.

use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use shared_schemas::Service;

use super::{
    CommandError, Site, groups, reply::command, streams, streams::Stream, subscriptions,
    subscriptions::Registration,
};

/// Entries per page of a look through a stream.
const PAGE: u64 = 1_000;

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule that is broken, in a word: `unnumbered`, `numbering`, `head`, `stream_hole`, `stream_ahead`, `watermark`, …
    pub rule: &'static str,
    /// Whose events.
    pub service: Service,
    /// The partition, where there is one.
    pub partition: Option<i16>,
    /// What is wrong, in a sentence.
    pub what: String,
}

impl Finding {
    pub(super) fn new(
        rule: &'static str,
        site: &Site,
        partition: impl Into<Option<i16>>,
        what: impl Into<String>,
    ) -> Self {
        Self { rule, service: site.service, partition: partition.into(), what: what.into() }
    }
}

/// How far one partition has come, from the store to its slowest reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Course {
    /// Whose events.
    pub service: Service,
    /// From 0.
    pub partition: i16,
    /// Sequence numbers given, counted.
    pub numbered: i64,
    /// The last one, as the relay keeps it.
    pub head: i64,
    /// The first one in the stream; 0 when the stream is empty.
    pub first: i64,
    /// The last one in the stream.
    pub last: i64,
    /// Entries in the stream.
    pub length: i64,
    /// The lowest watermark of a reader that is known here, and whose.
    pub slowest: Option<(String, i64)>,
}

/// What a look for holes found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gaps {
    /// Every partition.
    pub courses: Vec<Course>,
    /// What is wrong; empty when nothing is.
    pub findings: Vec<Finding>,
}

#[derive(FromQueryResult)]
struct Numbers {
    partition: i16,
    head: i64,
    numbered: i64,
    highest: i64,
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

/// Follows every event of the sites from the store to its readers: store, publication, stream, watermarks.
///
/// # Errors
///
/// [`CommandError`] if a database or Redis fails.
pub async fn check(sites: &[Site]) -> Result<Gaps, CommandError> {
    let mut gaps = Gaps { courses: Vec::new(), findings: Vec::new() };
    for site in sites {
        unnumbered(site, &mut gaps.findings).await?;
        let readers = readers(site, sites).await?;
        // The stream first: what is published between the two looks is then in the store, and not missing from it.
        let on_redis = streams::list(site).await?;
        for numbers in numbers(site).await? {
            let Some(stream) = on_redis.iter().find(|found| found.partition == numbers.partition)
            else {
                continue;
            };
            numbering(site, &numbers, &mut gaps.findings);
            transport(site, &numbers, stream, &mut gaps.findings).await?;
            let slowest = reading(site, &numbers, &readers, &mut gaps.findings);
            gaps.courses.push(Course {
                service: site.service,
                partition: numbers.partition,
                numbered: numbers.numbered,
                head: numbers.head,
                first: to_i64(stream.first),
                last: to_i64(stream.last),
                length: to_i64(stream.length),
                slowest,
            });
        }
    }
    Ok(gaps)
}

/// Public events that no relay will ever number.
async fn unnumbered(site: &Site, findings: &mut Vec<Finding>) -> Result<(), DbErr> {
    let row = Number::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS number FROM event e
           WHERE e.is_public AND NOT EXISTS (SELECT FROM publication p WHERE p.position = e.position)
             AND NOT EXISTS (SELECT FROM outbox o WHERE o.position = e.position)"
    ))
    .one(&site.db)
    .await?;
    if let Some(Number { number }) = row.filter(|row| row.number > 0) {
        let what = format!("{number} public events have no sequence number and wait for none");
        findings.push(Finding::new("unnumbered", site, None, what));
    }
    Ok(())
}

async fn numbers(site: &Site) -> Result<Vec<Numbers>, DbErr> {
    Numbers::find_by_statement(raw_sql!(
        Postgres,
        "SELECT h.partition, h.sequence AS head, count(p.sequence) AS numbered,
                coalesce(max(p.sequence), 0) AS highest
           FROM publication_head h LEFT JOIN publication p ON p.partition = h.partition
           GROUP BY h.partition, h.sequence ORDER BY h.partition"
    ))
    .all(&site.db)
    .await
}

/// Numbers are 1, 2, 3 … up to the head.
fn numbering(site: &Site, numbers: &Numbers, findings: &mut Vec<Finding>) {
    let Numbers { partition, head, numbered, highest } = *numbers;
    if numbered != highest {
        let what = format!(
            "{numbered} sequence numbers up to {highest}: {} are missing",
            highest - numbered
        );
        findings.push(Finding::new("numbering", site, partition, what));
    }
    if head != highest {
        let what = format!("the head is {head} and the last number given is {highest}");
        findings.push(Finding::new("head", site, partition, what));
    }
}

/// A stream is without holes, and has nothing that the store does not have.
async fn transport(
    site: &Site,
    numbers: &Numbers,
    stream: &Stream,
    findings: &mut Vec<Finding>,
) -> Result<(), CommandError> {
    let partition = numbers.partition;
    let last = to_i64(stream.last);
    if last > numbers.head {
        let what = format!(
            "the stream ends at {last} and the store at {}: the store was restored to the past",
            numbers.head
        );
        findings.push(Finding::new("stream_ahead", site, partition, what));
    }
    // Ids rise by one, so a stream without holes has as many entries as numbers from its first to its last.
    if stream.length > 0 && stream.length < stream.last + 1 - stream.first {
        if let Some((after, before)) = hole(site, &stream.key).await? {
            let what = format!("after {after} comes {before} in {}", stream.key);
            findings.push(Finding::new("stream_hole", site, partition, what));
        } else if to_i64(stream.last) > 0 {
            let what = format!("the end of {} up to {last} was deleted", stream.key);
            findings.push(Finding::new("stream_hole", site, partition, what));
        }
    }
    Ok(())
}

/// The first place where a number does not follow the one before it.
async fn hole(site: &Site, key: &str) -> Result<Option<(u64, u64)>, CommandError> {
    let (mut after, count) = (None, PAGE.to_string());
    loop {
        let from =
            after.map_or_else(|| "-".to_owned(), |after: u64| format!("({after}-{}", u64::MAX));
        let words = [key, &from, "+", "COUNT", &count];
        let page: Vec<fred::types::Value> = command(&site.redis, key, "XRANGE", &words).await?;
        if page.is_empty() {
            return Ok(None);
        }
        for entry in page {
            let Some(entry) = crate::stream::Entry::parse(entry) else {
                return Ok(after.map(|after| (after, 0)));
            };
            if let Some(after) = after.filter(|after| entry.sequence != after + 1) {
                return Ok(Some((after, entry.sequence)));
            }
            after = Some(entry.sequence);
        }
    }
}

/// A reader of a producer's events: group, partition, and how far it is.
type Reader = (String, i16, i64);

/// Whoever reads the events of a site: groups of the other sites, and those that are registered with it.
async fn readers(site: &Site, sites: &[Site]) -> Result<Vec<Reader>, DbErr> {
    let mut readers = Vec::new();
    for consumer in sites {
        let groups = groups::list(consumer).await?;
        let here = groups.into_iter().filter(|group| group.service == site.service.as_str());
        readers.extend(here.map(|group| (group.consumer_group, group.partition, group.sequence)));
    }
    for registration in subscriptions::list(site).await? {
        let is_known = readers.iter().any(|(group, partition, _)| {
            *group == registration.consumer_group && *partition == registration.partition
        });
        if !is_known && registration.state != "retired" {
            let Registration { consumer_group, partition, sequence, .. } = registration;
            readers.push((consumer_group, partition, sequence));
        }
    }
    Ok(readers)
}

/// Nobody has read what was never given. Returns the slowest reader.
fn reading(
    site: &Site,
    numbers: &Numbers,
    readers: &[Reader],
    findings: &mut Vec<Finding>,
) -> Option<(String, i64)> {
    let here = readers.iter().filter(|(_, partition, _)| *partition == numbers.partition);
    for (group, partition, watermark) in here.clone() {
        if *watermark > numbers.head {
            let what = format!("{group} is at {watermark} and the store at {}", numbers.head);
            findings.push(Finding::new("watermark", site, *partition, what));
        }
    }
    let (group, _, watermark) = here.min_by_key(|(_, _, watermark)| *watermark)?;
    Some((group.clone(), *watermark))
}

pub(super) fn to_i64(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
