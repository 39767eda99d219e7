//! Every query on the log.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use service_kit::Limit;
use shared_schemas::moderation::Decision;
use uuid::Uuid;

use super::pseudonym::Pseudonyms;

/// A decision.
#[derive(Clone, Debug, FromQueryResult)]
pub struct LogRow {
    /// The event.
    pub id: Uuid,
    /// POST or COMMENT.
    pub subject_kind: String,
    /// What was decided.
    pub decision: Decision,
    /// An array of reasons, worst first.
    pub reasons: Value,
    /// Who decided, if a person did. Never shown.
    pub moderator_id: Option<Uuid>,
    /// Name and hashes of the analyser.
    pub analyser: String,
    /// When.
    pub decided_at: DateTime<Utc>,
    /// Whether it was taken back.
    pub overturned: bool,
    /// When.
    pub overturned_at: Option<DateTime<Utc>>,
    /// Whether that was on appeal.
    pub on_appeal: bool,
    /// The batch by which it was decided.
    pub batch_id: Option<Uuid>,
}

/// Removals of one decider under one analyser.
#[derive(Clone, Debug, FromQueryResult)]
pub struct CountRow {
    /// Name and hashes of the analyser.
    pub analyser: String,
    /// Who decided, if a person did. Never shown.
    pub moderator_id: Option<Uuid>,
    /// How many removals.
    pub removals: i64,
    /// How many of them were taken back.
    pub overturned: i64,
}

/// Decisions, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    after: (DateTime<Utc>, Uuid),
    limit: Limit,
) -> Result<Vec<LogRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    LogRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM decision_log WHERE (decided_at, id) < ({before}, {before_id})
           ORDER BY decided_at DESC, id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// Removals by analyser and decider.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn counts(connection: &impl ConnectionTrait) -> Result<Vec<CountRow>, DbErr> {
    CountRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT analyser, moderator_id, count(*) AS removals, count(*) FILTER (WHERE overturned) AS overturned
           FROM decision_log WHERE decision = 'DELETE' GROUP BY analyser, moderator_id"
    ))
    .all(connection)
    .await
}

/// What makes pseudonyms of moderators.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn pseudonyms(connection: &impl ConnectionTrait) -> Result<Pseudonyms, DbErr> {
    let row = connection.query_one_raw(raw_sql!(Postgres, "SELECT key FROM pseudonym_key")).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the key of pseudonyms".to_owned()))?;
    Ok(Pseudonyms::new(&row.try_get::<String>("", "key")?))
}
