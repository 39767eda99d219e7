//! The streams of a service as Redis has them, beside what the store says they should hold.

use fred::types::Value;
use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::json;

use super::{
    CommandError, Site,
    reply::{Fields, command, is_missing, number, sequence, text},
};
use crate::stream::{Entry, StreamKey};

/// One partition as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Head {
    /// From 0.
    pub partition: i16,
    /// The last sequence number given; 0 when there is none.
    pub sequence: i64,
    /// The last generation that has this partition.
    pub epoch: i32,
}

/// One stream in Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// Such as `ev:{post.p0}:e1`.
    pub key: String,
    /// From 0.
    pub partition: i16,
    /// Whether Redis has the key.
    pub exists: bool,
    /// Entries now.
    pub length: u64,
    /// The first sequence number that is still there; 0 when the stream is empty.
    pub first: u64,
    /// The last sequence number ever written; 0 when there is none.
    pub last: u64,
    /// The last one that the store has given: what the stream will come to.
    pub head: i64,
    /// What Redis says that it occupies, estimated from samples, in bytes.
    pub bytes: u64,
    /// The consumer groups on it.
    pub groups: Vec<StreamGroup>,
}

/// A consumer group as Redis has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamGroup {
    /// Such as `engagement.profile`.
    pub group: String,
    /// Members by name that Redis knows.
    pub consumers: u64,
    /// Delivered and not acknowledged.
    pub pending: u64,
    /// The last sequence number delivered.
    pub delivered: u64,
}

/// The last number of every partition, as the store has it.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn heads(site: &Site) -> Result<Vec<Head>, DbErr> {
    Head::find_by_statement(raw_sql!(
        Postgres,
        "SELECT partition, sequence, coalesce((SELECT max(g.epoch) FROM stream_epoch g WHERE g.partitions > head.partition), 1) AS epoch
           FROM publication_head head ORDER BY partition"
    ))
    .all(&site.db)
    .await
}

/// The streams of a service, by partition.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn list(site: &Site) -> Result<Vec<Stream>, CommandError> {
    let mut streams = Vec::new();
    for head in heads(site).await? {
        streams.push(describe(site, head).await?);
    }
    Ok(streams)
}

async fn describe(site: &Site, head: Head) -> Result<Stream, CommandError> {
    let key = key(site, head);
    let mut stream = Stream {
        key: key.to_string(),
        partition: head.partition,
        exists: false,
        length: 0,
        first: 0,
        last: 0,
        head: head.sequence,
        bytes: 0,
        groups: Vec::new(),
    };
    let info: Fields =
        match command(&site.redis, &stream.key, "XINFO", &["STREAM", &stream.key]).await {
            Ok(info) => info,
            Err(error) if is_missing(&error) => return Ok(stream),
            Err(error) => return Err(error.into()),
        };
    stream.exists = true;
    stream.length = number(&info, "length").unwrap_or(0);
    stream.last = sequence(&text(&info, "last-generated-id"));
    let first = info.get("first-entry").cloned().and_then(Entry::parse);
    stream.first = first.map_or(0, |entry| entry.sequence);
    let bytes: Option<u64> =
        command(&site.redis, &stream.key, "MEMORY", &["USAGE", &stream.key]).await?;
    stream.bytes = bytes.unwrap_or(0);
    stream.groups = groups(site, &stream.key).await?;
    Ok(stream)
}

/// The groups on one key; none when there is no key.
pub(super) async fn groups(site: &Site, key: &str) -> Result<Vec<StreamGroup>, CommandError> {
    let groups: Vec<Fields> = match command(&site.redis, key, "XINFO", &["GROUPS", key]).await {
        Ok(groups) => groups,
        Err(error) if is_missing(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let group = |fields: &Fields| StreamGroup {
        group: text(fields, "name"),
        consumers: number(fields, "consumers").unwrap_or(0),
        pending: number(fields, "pending").unwrap_or(0),
        delivered: sequence(&text(fields, "last-delivered-id")),
    };
    Ok(groups.iter().map(group).collect())
}

/// An entry as it stands in a stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamEntry {
    /// From 0.
    pub partition: i16,
    /// Its place; 0 when its id is not of the form that relays write.
    pub sequence: u64,
    /// The id that Redis shows.
    pub id: String,
    /// The event type.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Aggregate type and id.
    pub aggregate: Option<String>,
    /// When it was recorded, RFC 3339.
    pub occurred_at: Option<String>,
    /// The payload.
    pub data: serde_json::Value,
    /// Who and why.
    pub metadata: serde_json::Value,
}

/// Entries of a stream after a place, oldest first, at most `limit`.
///
/// # Errors
///
/// [`CommandError`] if Redis fails.
pub async fn entries_after(
    site: &Site,
    stream: &Stream,
    after: u64,
    limit: u64,
) -> Result<Vec<StreamEntry>, CommandError> {
    let from = format!("({after}-{}", u64::MAX);
    let words = [stream.key.as_str(), &from, "+", "COUNT", &limit.to_string()];
    let entries: Vec<Value> = command(&site.redis, &stream.key, "XRANGE", &words).await?;
    Ok(entries.into_iter().map(|entry| read(stream.partition, entry)).collect())
}

/// The last entries of a stream, oldest first, at most `limit`.
///
/// # Errors
///
/// [`CommandError`] if Redis fails.
pub async fn last_entries(
    site: &Site,
    stream: &Stream,
    limit: u64,
) -> Result<Vec<StreamEntry>, CommandError> {
    let words = [stream.key.as_str(), "+", "-", "COUNT", &limit.to_string()];
    let entries: Vec<Value> = command(&site.redis, &stream.key, "XREVRANGE", &words).await?;
    Ok(entries.into_iter().rev().map(|entry| read(stream.partition, entry)).collect())
}

fn read(partition: i16, value: Value) -> StreamEntry {
    let id = id_of(&value);
    let entry = Entry::parse(value);
    let sequence = entry.as_ref().map_or(0, |entry| entry.sequence);
    let fields = entry.and_then(|entry| entry.fields);
    let part = |name| fields.as_ref().and_then(|fields| fields.get(name));
    let text = |name| part(name).map(ToOwned::to_owned);
    let json = |name| {
        part(name).map_or(json!(null), |text| serde_json::from_str(text).unwrap_or(json!(text)))
    };
    StreamEntry {
        partition,
        sequence,
        id,
        event_type: text("t"),
        aggregate: text("a"),
        occurred_at: text("o"),
        data: json("p"),
        metadata: json("m"),
    }
}

/// The id of an entry, of whatever form.
fn id_of(entry: &Value) -> String {
    let Value::Array(pair) = entry else { return String::new() };
    pair.first().and_then(Value::as_string).unwrap_or_default()
}

/// The key of a partition of this service, in its present generation.
pub(super) fn key(site: &Site, head: Head) -> StreamKey {
    let key = StreamKey::new(site.service, u16::try_from(head.partition).unwrap_or(0));
    key.at(u32::try_from(head.epoch).unwrap_or(1))
}

/// Sequence number and event id of entries after a place, at most `limit`; an entry that no relay wrote has no event id.
pub(super) async fn ids_after(
    site: &Site,
    stream: &Stream,
    after: u64,
    limit: u64,
) -> Result<Vec<(u64, Option<String>)>, CommandError> {
    let from = format!("({after}-{}", u64::MAX);
    let words = [stream.key.as_str(), &from, "+", "COUNT", &limit.to_string()];
    let entries: Vec<Value> = command(&site.redis, &stream.key, "XRANGE", &words).await?;
    let id = |value: Value| {
        let raw = id_of(&value);
        let event = Entry::parse(value).and_then(|entry| entry.event_id().map(ToOwned::to_owned));
        (sequence(&raw), event)
    };
    Ok(entries.into_iter().map(id).collect())
}
