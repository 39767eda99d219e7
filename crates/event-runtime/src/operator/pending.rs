//! What was delivered and not acknowledged.

use fred::types::Value;
use serde::Serialize;
use serde_json::json;

use super::{
    CommandError, Done, Order, Site, actions,
    reply::{command, is_missing, sequence},
    streams,
};

/// Entries per page of `XPENDING` and of `XAUTOCLAIM`.
const PAGE: &str = "500";

/// One entry that a member of a group was handed and has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// The stream.
    pub key: String,
    /// The group.
    pub group: String,
    /// The entry's id.
    pub id: String,
    /// Its sequence number.
    pub sequence: u64,
    /// To whom it was delivered.
    pub consumer: String,
    /// Milliseconds since the last delivery.
    pub idle_ms: u64,
    /// How often it was delivered. Reading one's own pending entries counts, too.
    pub deliveries: u64,
}

/// Pending entries on a producer's streams that have waited for `idle_ms`, oldest first, at most `limit` per stream and group.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn list(
    site: &Site,
    group: Option<&str>,
    idle_ms: u64,
    limit: u64,
) -> Result<Vec<Pending>, CommandError> {
    let mut found = Vec::new();
    for stream in streams::list(site).await? {
        for known in stream.groups {
            if group.is_none_or(|group| group == known.group) && known.pending > 0 {
                found.extend(of(site, &stream.key, &known.group, idle_ms, limit).await?);
            }
        }
    }
    Ok(found)
}

async fn of(
    site: &Site,
    key: &str,
    group: &str,
    idle_ms: u64,
    limit: u64,
) -> Result<Vec<Pending>, CommandError> {
    let (idle, limit) = (idle_ms.to_string(), limit.to_string());
    let words = [key, group, "IDLE", &idle, "-", "+", &limit];
    let rows: Vec<(String, String, u64, u64)> =
        match command(&site.redis, key, "XPENDING", &words).await {
            Ok(rows) => rows,
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
    let pending = |(id, consumer, idle_ms, deliveries): (String, String, u64, u64)| Pending {
        key: key.to_owned(),
        group: group.to_owned(),
        sequence: sequence(&id),
        id,
        consumer,
        idle_ms,
        deliveries,
    };
    Ok(rows.into_iter().map(pending).collect())
}

/// Hands everything that has been pending for `idle_ms`, whoever has it, to one member of the group, without counting a
/// delivery. For what an older build left under names of its own: the owner of a partition looks under its own name only.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn claim(
    site: &Site,
    order: &Order,
    group: &str,
    to: &str,
    idle_ms: u64,
) -> Result<Done<Pending>, CommandError> {
    let mut others = list(site, Some(group), idle_ms, 100_000).await?;
    others.retain(|entry| entry.consumer != to);
    if order.dry_run || others.is_empty() {
        return Ok(Done::new(order, others));
    }
    let first = others.iter().map(|entry| entry.sequence).min();
    let arguments = json!({ "group": group, "to": to, "entries": others.len(), "first": first });
    actions::record(&site.db, order, "pending claim", arguments).await?;
    let mut keys: Vec<&str> = others.iter().map(|entry| entry.key.as_str()).collect();
    keys.dedup();
    for key in keys {
        // An empty page is no end: only the cursor says that everything was looked at.
        let mut cursor = "0-0".to_owned();
        loop {
            let idle = idle_ms.to_string();
            let words = [key, group, to, &idle, &cursor, "COUNT", PAGE, "JUSTID"];
            let reply: Vec<Value> = command(&site.redis, key, "XAUTOCLAIM", &words).await?;
            cursor = reply.first().and_then(Value::as_string).unwrap_or_default();
            if cursor.is_empty() || cursor == "0-0" {
                break;
            }
        }
    }
    Ok(Done::new(order, others))
}
