//! Consent as it is stored.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
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

/// What some people agreed to; those who were never asked are left out.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find_all<'a>(
    db: &impl ConnectionTrait,
    user_ids: impl IntoIterator<Item = &'a UserId>,
) -> Result<HashMap<UserId, Given>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        user_id: UserId,
        #[sea_orm(nested)]
        given: Given,
    }

    let ids: Value = user_ids.into_iter().map(|id| json!(id)).collect();
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT user_id, minting, text, minting_since
           FROM jsonb_array_elements_text({ids}) AS wanted JOIN consent ON user_id = CAST(wanted AS uuid)"
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.given)).collect())
}
