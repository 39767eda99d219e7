//! Every query on signing keys.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use shared_schemas::SigningKeyId;
use uuid::Uuid;

use crate::secret::Sealed;

/// A key whose tokens are good.
#[derive(Clone, Debug, FromQueryResult)]
pub struct SigningKeyRow {
    /// The `kid` of its tokens.
    pub id: Uuid,
    /// The public half, 32 bytes in base64url.
    pub public_key: String,
}

/// The keys whose tokens are good, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn active(connection: &impl ConnectionTrait) -> Result<Vec<SigningKeyRow>, DbErr> {
    SigningKeyRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, public_key FROM signing_key WHERE retired_at IS NULL ORDER BY activated_at DESC, id DESC"
    ))
    .all(connection)
    .await
}

/// Lets one replica at a time make keys, until its transaction ends.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn lock(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "SELECT pg_advisory_xact_lock(hashtext('peerlink.signing_key.' || current_schema()))"
        ))
        .await?;
    Ok(())
}

/// Keeps the private half of a key.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn insert_secret(
    connection: &impl ConnectionTrait,
    id: SigningKeyId,
    sealed: &Sealed,
) -> Result<(), DbErr> {
    let sealed = sealed.0.as_str();
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO signing_key_secret (key_id, sealed) VALUES ({id}, {sealed})"
        ))
        .await?;
    Ok(())
}

/// The private half of a key.
///
/// # Errors
///
/// [`DbErr`] if the database fails or has no such key.
pub async fn secret(connection: &impl ConnectionTrait, id: SigningKeyId) -> Result<Sealed, DbErr> {
    let row = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT sealed FROM signing_key_secret WHERE key_id = {id}"
        ))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("secret of signing key {id}")))?;
    row.try_get("", "sealed").map(Sealed)
}
