//! The consumer groups of a service: how far they have come, who works for them, and whether an operator stopped them.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::json;
use shared_schemas::Service;
use uuid::Uuid;

use super::{
    CommandError, Done, Order, Site, actions, reply::command, reply::is_missing, unknown_group,
};
use crate::stream::StreamKey;

/// One consumer group on one partition of what it reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Group {
    /// Such as `engagement.profile`.
    pub consumer_group: String,
    /// Whose events it reads.
    pub service: String,
    /// From 0.
    pub partition: i16,
    /// The watermark: everything up to here took effect or is parked.
    pub sequence: i64,
    /// The generation of the stream in which it counts.
    pub stream_epoch: i32,
    /// Whether an operator stopped it.
    pub is_paused: bool,
    /// When the watermark moved last, as far as that is kept.
    pub moved_at: DateTime<Utc>,
    /// The process that works on it now.
    pub owner: Option<Uuid>,
    /// Events of this partition that are parked.
    pub parked: i64,
}

impl Group {
    /// The stream that it reads, unless its producer is not one that this build knows.
    pub(super) fn stream(&self) -> Option<StreamKey> {
        let service: Service = self.service.parse().ok()?;
        let key = StreamKey::new(service, u16::try_from(self.partition).ok()?);
        Some(key.at(u32::try_from(self.stream_epoch).ok()?))
    }
}

/// The groups of a service by name, producer and partition.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site) -> Result<Vec<Group>, DbErr> {
    Group::find_by_statement(raw_sql!(
        Postgres,
        "SELECT w.consumer_group, w.service, w.partition, w.sequence, w.stream_epoch, w.is_paused, w.moved_at,
                l.owner, (SELECT count(*) FROM parked_event p WHERE (p.consumer_group, p.service, p.partition)
                                                                  = (w.consumer_group, w.service, w.partition)) AS parked
           FROM watermark w LEFT JOIN lease l ON (l.consumer_group, l.service, l.partition)
                                                 = (w.consumer_group, w.service, w.partition) AND l.expires_at > now()
           ORDER BY w.consumer_group, w.service, w.partition"
    ))
    .all(&site.db)
    .await
}

/// The rows of one group, of which there must be some.
pub(super) async fn of(site: &Site, group: &str) -> Result<Vec<Group>, CommandError> {
    let mut groups = list(site).await?;
    groups.retain(|row| row.consumer_group == group);
    if groups.is_empty() { Err(unknown_group(site, group)) } else { Ok(groups) }
}

/// One partition of one group that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Whose events.
    pub service: String,
    /// From 0.
    pub partition: i16,
}

impl From<&Group> for Place {
    fn from(group: &Group) -> Self {
        Self { service: group.service.clone(), partition: group.partition }
    }
}

/// Stops a group on all its partitions: nothing takes effect in it any more once this has returned, its owners notice within
/// a second, and nobody may take their place until the group is resumed.
///
/// # Errors
///
/// [`CommandError::Refused`] for a group that is not of this service.
pub async fn pause(site: &Site, order: &Order, group: &str) -> Result<Done<Place>, CommandError> {
    set_paused(site, order, group, true).await
}

/// Lets a paused group go on from its watermark.
///
/// # Errors
///
/// [`CommandError::Refused`] for a group that is not of this service.
pub async fn resume(site: &Site, order: &Order, group: &str) -> Result<Done<Place>, CommandError> {
    set_paused(site, order, group, false).await
}

async fn set_paused(
    site: &Site,
    order: &Order,
    group: &str,
    is_paused: bool,
) -> Result<Done<Place>, CommandError> {
    let rows = of(site, group).await?;
    let changed: Vec<Place> =
        rows.iter().filter(|row| row.is_paused != is_paused).map(Place::from).collect();
    if order.dry_run || changed.is_empty() {
        return Ok(Done::new(order, changed));
    }
    let command = if is_paused { "groups pause" } else { "groups resume" };
    let txn = site.db.begin().await?;
    actions::record(&txn, order, command, json!({ "group": group, "places": changed })).await?;
    // In the order in which everybody locks watermarks. A later epoch fences whoever is at work.
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE watermark w SET is_paused = {is_paused}, epoch = epoch + CASE WHEN {is_paused} THEN 1 ELSE 0 END
           FROM (SELECT service, partition FROM watermark WHERE consumer_group = {group}
                   ORDER BY service, partition FOR UPDATE) mine
           WHERE w.consumer_group = {group} AND (w.service, w.partition) = (mine.service, mine.partition)"
    ))
    .await?;
    txn.commit().await?;
    if is_paused {
        // Apart, because whoever acquires locks the lease before the watermark.
        site.db
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE lease SET expires_at = '-infinity' WHERE consumer_group = {group}"
            ))
            .await?;
    }
    Ok(Done::new(order, changed))
}

/// Makes a group in Redis anew at its watermarks, with nothing pending: what is after the watermark will be delivered again.
///
/// # Errors
///
/// [`CommandError::Refused`] while a process works for a group that Redis has.
pub async fn recreate(
    site: &Site,
    order: &Order,
    group: &str,
) -> Result<Done<Place>, CommandError> {
    let rows = of(site, group).await?;
    let mut wrong = Vec::new();
    for row in &rows {
        let Some(key) = row.stream().map(|key| key.to_string()) else { continue };
        let groups = super::streams::groups(site, &key).await?;
        let found = groups.iter().find(|found| found.group == group);
        let watermark = u64::try_from(row.sequence).unwrap_or(0);
        if found.is_some_and(|found| found.delivered == watermark && found.pending == 0) {
            continue;
        }
        if found.is_some()
            && let Some(owner) = row.owner
        {
            return Err(CommandError::refused(
                format!("process {owner} works for {group} on {key}"),
                format!(
                    "`groups pause {group}` first, or leave it: an owner mends its group itself"
                ),
            ));
        }
        wrong.push((Place::from(row), key, watermark));
    }
    let changed: Vec<Place> = wrong.iter().map(|(place, ..)| place.clone()).collect();
    if order.dry_run || changed.is_empty() {
        return Ok(Done::new(order, changed));
    }
    let arguments = json!({ "group": group, "places": changed });
    actions::record(&site.db, order, "groups recreate", arguments).await?;
    for (_, key, watermark) in wrong {
        let destroyed: Result<u64, _> =
            command(&site.redis, &key, "XGROUP", &["DESTROY", &key, group]).await;
        if let Err(error) = destroyed
            && !is_missing(&error)
        {
            return Err(error.into());
        }
        let (id, read) = (format!("{watermark}-0"), watermark.to_string());
        let words = ["CREATE", &key, group, &id, "MKSTREAM", "ENTRIESREAD", &read];
        let _created: fred::types::Value = command(&site.redis, &key, "XGROUP", &words).await?;
    }
    Ok(Done::new(order, changed))
}
