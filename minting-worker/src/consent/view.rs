//! Consent as it is stored.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use shared_schemas::{
    UserId,
    consent::{MintingWish, TextWish},
};

/// What a person agreed to.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Given {
    /// Which posts and comments.
    pub minting: MintingWish,
    /// What of the text.
    pub text: TextWish,
    /// Since when this holds of `minting`.
    pub minting_since: DateTime<Utc>,
}

/// What a person agreed to; `None` if they were never asked, which is no.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(db: &impl ConnectionTrait, user_id: UserId) -> Result<Option<Given>, DbErr> {
    Given::find_by_statement(raw_sql!(
        Postgres,
        "SELECT minting, text, minting_since FROM consent WHERE user_id = {user_id}"
    ))
    .one(db)
    .await
}
