//! Wallets as they are stored.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
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
