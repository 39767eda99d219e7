//! Alerts as they are stored: rows and statements.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult, raw_sql,
};
use uuid::Uuid;

use super::{Kind, new_id};
use crate::lane::view::LaneKey;

/// An alert.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Alert {
    /// Its id.
    pub id: Uuid,
    /// What is wrong.
    pub kind: String,
    /// With what.
    pub subject: String,
    /// In words.
    pub detail: String,
    /// Since when.
    pub began_at: DateTime<Utc>,
    /// Until when; none while it goes on.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Notes that something is wrong; `None` if that is known.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn begin(
    txn: &DatabaseTransaction,
    (kind, subject): (Kind, &str),
    detail: &str,
    now: DateTime<Utc>,
) -> Result<Option<Alert>, DbErr> {
    let (id, kind) = (new_id(now), kind.as_str());
    Alert::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO alert (id, kind, subject, detail, began_at) VALUES ({id}, {kind}, {subject}, {detail}, {now})
           ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO NOTHING RETURNING *"
    ))
    .one(txn)
    .await
}

/// Notes something that is over as soon as it happened.
///
/// # Errors
///
/// As [`begin`].
pub async fn happened(
    txn: &DatabaseTransaction,
    (kind, subject): (Kind, &str),
    detail: &str,
    now: DateTime<Utc>,
) -> Result<Option<Alert>, DbErr> {
    let (id, kind) = (new_id(now), kind.as_str());
    Alert::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO alert (id, kind, subject, detail, began_at, ended_at)
           VALUES ({id}, {kind}, {subject}, {detail}, {now}, {now}) RETURNING *"
    ))
    .one(txn)
    .await
}

/// Notes that it is right again; `None` if nothing was wrong.
///
/// # Errors
///
/// As [`begin`].
pub async fn end(
    txn: &DatabaseTransaction,
    (kind, subject): (Kind, &str),
    now: DateTime<Utc>,
) -> Result<Option<Alert>, DbErr> {
    let kind = kind.as_str();
    Alert::find_by_statement(raw_sql!(
        Postgres,
        "UPDATE alert SET ended_at = {now} WHERE kind = {kind} AND subject = {subject} AND ended_at IS NULL RETURNING *"
    ))
    .one(txn)
    .await
}

/// What goes on, and what began last.
///
/// # Errors
///
/// As [`begin`].
pub async fn newest(db: &DatabaseConnection, limit: i64) -> Result<Vec<Alert>, DbErr> {
    Alert::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM alert ORDER BY ended_at IS NOT NULL, began_at DESC LIMIT {limit}"
    ))
    .all(db)
    .await
}

/// Since when the oldest transaction of a lane is in no block.
///
/// # Errors
///
/// As [`begin`].
pub async fn oldest_open(
    db: &DatabaseConnection,
    key: &LaneKey,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        since: Option<DateTime<Utc>>,
    }
    let LaneKey { lane, chain_id } = key;
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT min(signed_at) AS since FROM lane_slot
           WHERE lane = {lane} AND chain_id = {chain_id} AND state IN ('SIGNED', 'BROADCAST')"
    ))
    .one(db)
    .await?;
    Ok(row.and_then(|row| row.since))
}

/// Since when the oldest mint waits for a lane.
///
/// # Errors
///
/// As [`begin`].
pub async fn oldest_waiting(db: &DatabaseConnection) -> Result<Option<DateTime<Utc>>, DbErr> {
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT min(updated_at) AS since FROM mint WHERE stage = 'PINNED'"
        ))
        .await?;
    row.map_or(Ok(None), |row| row.try_get("", "since"))
}
