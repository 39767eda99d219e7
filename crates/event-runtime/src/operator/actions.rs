//! The record of what operators did.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::Value;

use super::{Order, Site};

/// One row of `operator_action`.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
pub struct Action {
    /// Rising.
    pub id: i64,
    /// Who.
    pub operator: String,
    /// The command in words, such as `groups pause`.
    pub command: String,
    /// What it was told, and what is not to be found anywhere else afterwards.
    pub arguments: Value,
    /// Why.
    pub reason: Option<String>,
    /// When, by the database's clock.
    pub acted_at: DateTime<Utc>,
}

/// Writes the row that every change needs, before the change. In a transaction it stands or falls with the change; before a
/// change in Redis it is committed first, so that a crash in between leaves an action without an effect and never the reverse.
pub(crate) async fn record(
    connection: &impl ConnectionTrait,
    order: &Order,
    command: &str,
    arguments: Value,
) -> Result<(), DbErr> {
    let (operator, reason) = (order.operator.as_str(), order.reason.as_deref());
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO operator_action (operator, command, arguments, reason)
               VALUES ({operator}, {command}, {arguments}, {reason})"
        ))
        .await?;
    Ok(())
}

/// The latest actions, newest first, at most `limit`.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site, limit: i64) -> Result<Vec<Action>, DbErr> {
    Action::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, operator, command, arguments, reason, acted_at FROM operator_action ORDER BY id DESC LIMIT {limit}"
    ))
    .all(&site.db)
    .await
}
