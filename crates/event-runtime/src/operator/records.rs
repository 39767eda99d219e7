//! What was recorded, private events too, as the text that the store holds: for programs that judge anew what was judged.
//!
//! Events are met in the order of their positions, which is that of insertion. A transaction that is under way while somebody
//! reads may show events behind the place where the reader is; they are of the next reading.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use uuid::Uuid;

/// An event whose payload is still text.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Record {
    /// The place in the store.
    pub position: i64,
    /// The aggregate it happened to.
    pub aggregate_id: Uuid,
    /// The place in the aggregate, from 1.
    pub aggregate_version: i64,
    /// The wire name.
    #[sea_orm(from_alias = "type")]
    pub event_type: String,
    /// The payload, JSON.
    pub data: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// Which events of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    /// The wire name.
    pub event_type: &'a str,
    /// That happened then or later.
    pub from: Option<DateTime<Utc>>,
    /// That happened before.
    pub to: Option<DateTime<Utc>>,
    /// At most this far in the store.
    pub up_to: i64,
}

/// The last position of a store; 0 if it is empty.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn head(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT coalesce(max(position), 0) AS position FROM event"
        ))
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "position"))
}

/// How many events a range has.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn count(db: &DatabaseConnection, range: Range<'_>) -> Result<u64, DbErr> {
    let Range { event_type, from, to, up_to } = range;
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT count(*) AS events FROM event
               WHERE type = {event_type} AND position <= {up_to}
                 AND ({from}::timestamptz IS NULL OR occurred_at >= {from}::timestamptz)
                 AND ({to}::timestamptz IS NULL OR occurred_at < {to}::timestamptz)"
        ))
        .await?;
    let events: i64 = row.map_or(Ok(0), |row| row.try_get("", "events"))?;
    Ok(u64::try_from(events).unwrap_or(0))
}

/// The next events of a range after a position, at most `limit`.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn page(
    db: &DatabaseConnection,
    range: Range<'_>,
    after: i64,
    limit: u32,
) -> Result<Vec<Record>, DbErr> {
    let Range { event_type, from, to, up_to } = range;
    let limit = i64::from(limit);
    Record::find_by_statement(raw_sql!(
        Postgres,
        "SELECT position, aggregate_id, aggregate_version, type, data::text AS data, occurred_at FROM event
           WHERE position > {after} AND position <= {up_to} AND type = {event_type}
             AND ({from}::timestamptz IS NULL OR occurred_at >= {from}::timestamptz)
             AND ({to}::timestamptz IS NULL OR occurred_at < {to}::timestamptz)
           ORDER BY position LIMIT {limit}"
    ))
    .all(db)
    .await
}

/// The events at some places of aggregates of one kind: `(id, version)`. Those that are not there are left out.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn at(
    db: &DatabaseConnection,
    aggregate_type: &str,
    places: &[(Uuid, i64)],
) -> Result<Vec<Record>, DbErr> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let place = |(id, version): &(Uuid, i64)| json!({ "id": id, "version": version });
    let places = Value::Array(places.iter().map(place).collect());
    // One look-up for each place, whatever the planner believes about their number.
    Record::find_by_statement(raw_sql!(
        Postgres,
        "SELECT e.position, e.aggregate_id, e.aggregate_version, e.type, e.data::text AS data, e.occurred_at
           FROM jsonb_to_recordset({places}) AS place (id uuid, version bigint)
             CROSS JOIN LATERAL (
               SELECT * FROM event
                 WHERE aggregate_type = {aggregate_type} AND aggregate_id = place.id
                   AND aggregate_version = place.version
                 LIMIT 1) e"
    ))
    .all(db)
    .await
}

/// The last event of one type of each of some aggregates whose payload contains `holding`.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn last(
    db: &DatabaseConnection,
    aggregate_type: &str,
    event_type: &str,
    ids: &[Uuid],
    holding: &Value,
) -> Result<Vec<Record>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, holding) = (json!(ids), holding.clone());
    Record::find_by_statement(raw_sql!(
        Postgres,
        "SELECT e.position, e.aggregate_id, e.aggregate_version, e.type, e.data::text AS data, e.occurred_at
           FROM jsonb_array_elements_text({ids}) AS wanted
             CROSS JOIN LATERAL (
               SELECT * FROM event
                 WHERE aggregate_type = {aggregate_type} AND aggregate_id = wanted::uuid
                   AND type = {event_type} AND data @> {holding}
                 ORDER BY aggregate_version DESC LIMIT 1) e"
    ))
    .all(db)
    .await
}
