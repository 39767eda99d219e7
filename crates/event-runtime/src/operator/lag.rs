//! How far every group is behind, without a guess: the producer's head less the group's watermark.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{FromQueryResult, raw_sql};
use serde::Serialize;
use shared_schemas::Service;

use super::{CommandError, Site, groups, groups::Group, streams};
use crate::relay::last_sequence;

/// One group on one partition, with its distance to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Such as `engagement.profile`.
    pub group: String,
    /// The service whose group it is.
    pub consumer: Service,
    /// Whose events it reads.
    pub service: String,
    /// From 0.
    pub partition: i16,
    /// The watermark.
    pub watermark: i64,
    /// The last sequence number that the producer's store has given, or that the stream has seen if the store is not at hand.
    pub head: i64,
    /// The difference, never below 0.
    pub lag: i64,
    /// How long ago the oldest event was recorded that has not taken effect, in seconds; absent when there is none or the
    /// producer's store is not at hand.
    pub seconds: Option<i64>,
    /// Delivered and not acknowledged.
    pub pending: u64,
    /// Events set aside.
    pub parked: i64,
    /// Whether somebody works on it now.
    pub is_owned: bool,
    /// Whether an operator stopped it.
    pub is_paused: bool,
}

#[derive(FromQueryResult)]
struct Oldest {
    occurred_at: DateTime<Utc>,
}

/// The lag of every group of the sites, by group, producer and partition. A producer among `sites` is asked itself, another one
/// is judged by its stream.
///
/// # Errors
///
/// [`CommandError`] if a database or Redis fails.
pub async fn list(sites: &[Site], now: DateTime<Utc>) -> Result<Vec<Lag>, CommandError> {
    let mut heads: HashMap<(Service, i16), i64> = HashMap::new();
    for site in sites {
        for head in streams::heads(site).await? {
            heads.insert((site.service, head.partition), head.sequence);
        }
    }
    let mut lags = Vec::new();
    for site in sites {
        for group in groups::list(site).await? {
            lags.push(measure(site, sites, &heads, group, now).await?);
        }
    }
    lags.sort_by(|a, b| {
        (&a.group, &a.service, a.partition).cmp(&(&b.group, &b.service, b.partition))
    });
    Ok(lags)
}

async fn measure(
    site: &Site,
    sites: &[Site],
    heads: &HashMap<(Service, i16), i64>,
    group: Group,
    now: DateTime<Utc>,
) -> Result<Lag, CommandError> {
    let key = group.stream();
    let (mut head, mut pending) = (group.sequence, 0);
    if let Some(key) = key {
        head = match heads.get(&(key.service, group.partition)) {
            Some(head) => *head,
            None => i64::try_from(last_sequence(&site.redis, key).await?).unwrap_or(i64::MAX),
        };
        let on_stream = streams::groups(site, &key.to_string()).await?;
        let mine = on_stream.iter().find(|found| found.group == group.consumer_group);
        pending = mine.map_or(0, |found| found.pending);
    }
    let lag = head.saturating_sub(group.sequence).max(0);
    let producer = sites.iter().find(|site| Some(site.service) == key.map(|key| key.service));
    let seconds = match producer {
        Some(producer) if lag > 0 => age(producer, group.partition, group.sequence, now).await?,
        _ => None,
    };
    Ok(Lag {
        consumer: site.service,
        watermark: group.sequence,
        head,
        lag,
        seconds,
        pending,
        parked: group.parked,
        is_owned: group.owner.is_some(),
        is_paused: group.is_paused,
        group: group.consumer_group,
        service: group.service,
        partition: group.partition,
    })
}

/// How long ago the event after a place was recorded.
async fn age(
    producer: &Site,
    partition: i16,
    after: i64,
    now: DateTime<Utc>,
) -> Result<Option<i64>, CommandError> {
    let oldest = Oldest::find_by_statement(raw_sql!(
        Postgres,
        "SELECT e.occurred_at FROM publication p JOIN event e USING (position)
           WHERE p.partition = {partition} AND p.sequence > {after} ORDER BY p.sequence LIMIT 1"
    ))
    .one(&producer.db)
    .await?;
    Ok(oldest.map(|oldest| (now - oldest.occurred_at).num_seconds().max(0)))
}
