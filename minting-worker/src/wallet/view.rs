//! Wallets as they are stored.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use shared_schemas::UserId;

/// A proven address.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Proven {
    /// With its checksum.
    pub address: String,
    /// When it was proven.
    pub proven_at: DateTime<Utc>,
}

/// A person's proven address.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(db: &impl ConnectionTrait, user_id: UserId) -> Result<Option<Proven>, DbErr> {
    Proven::find_by_statement(raw_sql!(
        Postgres,
        "SELECT address, proven_at FROM wallet WHERE user_id = {user_id}"
    ))
    .one(db)
    .await
}

/// Some people's proven addresses; those who have none are left out.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find_all<'a>(
    db: &impl ConnectionTrait,
    user_ids: impl IntoIterator<Item = &'a UserId>,
) -> Result<HashMap<UserId, Proven>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        user_id: UserId,
        #[sea_orm(nested)]
        proven: Proven,
    }

    let ids: Value = user_ids.into_iter().map(|id| json!(id)).collect();
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT user_id, address, proven_at
           FROM jsonb_array_elements_text({ids}) AS wanted JOIN wallet ON user_id = CAST(wanted AS uuid)"
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.proven)).collect())
}
