//! Everything that is known of mints: rows and queries for operators.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{MintId, UserId, mint::ParkReason};
use uuid::Uuid;

/// A mint with all its columns.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Details {
    /// Its id.
    pub id: MintId,
    /// `POST` or `COMMENT`.
    pub subject_kind: String,
    /// Which one.
    pub subject_id: Uuid,
    /// Whose token it will be.
    pub author_id: UserId,
    /// How far it is.
    pub stage: String,
    /// The metadata's CID.
    pub cid: Option<String>,
    /// What the metadata hashes to.
    pub digest: Option<String>,
    /// The address that gets the token.
    pub owner: Option<String>,
    /// The signer's address.
    pub lane: Option<String>,
    /// The token.
    pub token_id: Option<String>,
    /// The newest transaction.
    pub tx_hash: Option<String>,
    /// The height of its block.
    pub block: Option<i64>,
    /// Why it was given up.
    pub park_reason: Option<ParkReason>,
    /// What the chain answered.
    pub park_detail: Option<String>,
    /// Its content went away too late.
    pub tombstoned: bool,
    /// When it was first requested.
    pub requested_at: DateTime<Utc>,
    /// When its state changed last.
    pub updated_at: DateTime<Utc>,
}

/// One mint.
///
/// # Errors
///
/// [`DbErr`] if the database fails or holds a spelling that this build does not know.
pub async fn find(db: &DatabaseConnection, id: MintId) -> Result<Option<Details>, DbErr> {
    Details::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, subject_kind, subject_id, author_id, stage, cid, digest, owner, lane, token_id, tx_hash, block,
             park_reason, park_detail, tombstoned, requested_at, updated_at
           FROM mint WHERE id = {id}"
    ))
    .one(db)
    .await
}

/// Mints at a stage, the one that came there last first, after a place in the list (microseconds, id).
///
/// # Errors
///
/// As [`find`].
pub async fn at_stage(
    db: &DatabaseConnection,
    stage: &str,
    (micros, id): (i64, Uuid),
    limit: i64,
) -> Result<Vec<Details>, DbErr> {
    let after = DateTime::from_timestamp_micros(micros.clamp(0, super::super::view::END_OF_TIME))
        .unwrap_or_default();
    Details::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, subject_kind, subject_id, author_id, stage, cid, digest, owner, lane, token_id, tx_hash, block,
             park_reason, park_detail, tombstoned, requested_at, updated_at
           FROM mint WHERE stage = {stage} AND (updated_at, id) < ({after}, {id})
           ORDER BY updated_at DESC, id DESC LIMIT {limit}"
    ))
    .all(db)
    .await
}
