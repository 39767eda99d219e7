//! Every query on connections.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use service_kit::{Cursor, Limit};
use shared_schemas::UserId;
use uuid::Uuid;

use crate::user::view::moment;

/// Somebody whom a person is connected with.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ConnectionRow {
    /// Who it is.
    pub other_id: Uuid,
    /// What they are called.
    pub first_name: String,
    /// What they are called.
    pub last_name: String,
    /// Since when.
    pub connected_at: DateTime<Utc>,
}

impl ConnectionRow {
    /// Where it stands in the list.
    pub fn cursor(&self) -> Cursor {
        Cursor::after(self.connected_at.timestamp_micros(), self.other_id)
    }
}

/// The people whom a person is connected with, latest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    user_id: UserId,
    after: (i64, Uuid),
    limit: Limit,
) -> Result<Vec<ConnectionRow>, DbErr> {
    let ((before, before_id), fetch) = ((moment(after.0), after.1), limit.fetch());
    ConnectionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT n.other_id, c.first_name, c.last_name, n.connected_at
           FROM connection n JOIN credential c ON c.user_id = n.other_id
           WHERE n.user_id = {user_id} AND (n.connected_at, n.other_id) < ({before}, {before_id})
           ORDER BY n.connected_at DESC, n.other_id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// The ids of the people whom a person is connected with.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn others(
    connection: &impl ConnectionTrait,
    user_id: UserId,
) -> Result<Vec<UserId>, DbErr> {
    let rows = connection
        .query_all_raw(raw_sql!(
            Postgres,
            "SELECT other_id FROM connection WHERE user_id = {user_id} ORDER BY id"
        ))
        .await?;
    rows.iter().map(|row| row.try_get("", "other_id")).collect()
}

/// Since when two people are connected.
///
/// # Errors
///
/// [`DbErr`] if the database fails or they are not.
pub async fn connected_at(
    connection: &impl ConnectionTrait,
    user_id: UserId,
    other_id: UserId,
) -> Result<DateTime<Utc>, DbErr> {
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT connected_at FROM connection WHERE user_id = {user_id} AND other_id = {other_id}"
        ))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("connection".to_owned()))?;
    row.try_get("", "connected_at")
}
