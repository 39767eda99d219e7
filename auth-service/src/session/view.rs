//! Every query on sessions.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, raw_sql};
use shared_schemas::{SessionId, UserId};

/// The sessions of a person that began after a moment and have not ended, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn live(
    connection: &impl ConnectionTrait,
    user_id: UserId,
    since: DateTime<Utc>,
) -> Result<Vec<SessionId>, DbErr> {
    let rows = connection
        .query_all_raw(raw_sql!(
            Postgres,
            "SELECT id FROM session WHERE user_id = {user_id} AND ended_at IS NULL AND started_at > {since} ORDER BY id"
        ))
        .await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

/// Forgets sessions that began longer ago.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn forget_older(connection: &impl ConnectionTrait, age: TimeDelta) -> Result<u64, DbErr> {
    let days = i32::try_from(age.num_days()).unwrap_or(i32::MAX);
    let swept = connection
        .execute_raw(raw_sql!(
            Postgres,
            "DELETE FROM session WHERE started_at < now() - make_interval(days => {days})"
        ))
        .await?;
    Ok(swept.rows_affected())
}
