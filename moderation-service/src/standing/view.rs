//! Every query on strikes and sanctions.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use service_kit::Limit;
use shared_schemas::{
    CaseId, SanctionId, UserId,
    standing::{SanctionEnd, SanctionKind},
};
use uuid::Uuid;

/// A strike.
#[derive(Clone, Debug, FromQueryResult)]
pub struct StrikeRow {
    /// The case that decided it.
    pub case_id: CaseId,
    /// When the content was removed.
    pub added_at: DateTime<Utc>,
    /// When it no longer counts.
    pub expires_at: DateTime<Utc>,
}

/// A sanction.
#[derive(Clone, Debug, FromQueryResult)]
pub struct SanctionRow {
    /// The sanction.
    pub id: SanctionId,
    /// What it takes.
    pub kind: SanctionKind,
    /// An array of reasons, worst first.
    pub reasons: Value,
    /// What the person is told.
    pub statement: String,
    /// The case it goes back to.
    pub case_id: Option<Uuid>,
    /// Who imposed it; nobody, if it followed from strikes.
    pub moderator_id: Option<Uuid>,
    /// How many strikes it follows from.
    pub strikes: Option<i64>,
    /// When.
    pub imposed_at: DateTime<Utc>,
    /// When it ends by itself.
    pub until: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// A [`SanctionEnd`].
    ended: Option<String>,
}

/// Somebody whose strikes are so many that a person decides.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ReviewRow {
    /// Who.
    pub user_id: UserId,
    /// How many strikes there were.
    pub strikes: i64,
    /// The removal that made it so many.
    pub case_id: CaseId,
    /// Since when somebody is asked to decide.
    pub requested_at: DateTime<Utc>,
}

impl SanctionRow {
    /// Why it ended, once it has.
    pub fn ended(&self) -> Option<SanctionEnd> {
        self.ended.as_deref().and_then(|ended| ended.parse().ok())
    }
}

/// The strikes of a person that count at a moment, latest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn strikes(
    connection: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<StrikeRow>, DbErr> {
    StrikeRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT case_id, added_at, expires_at FROM strike WHERE user_id = {user} AND expires_at > {now}
           ORDER BY added_at DESC, case_id"
    ))
    .all(connection)
    .await
}

/// The sanctions of a person, latest first; a hundred at most.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn sanctions(
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<SanctionRow>, DbErr> {
    SanctionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM sanction WHERE user_id = {user} ORDER BY imposed_at DESC, id DESC LIMIT 100"
    ))
    .all(connection)
    .await
}

/// One sanction of a person.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn sanction(
    connection: &impl ConnectionTrait,
    user: UserId,
    id: SanctionId,
) -> Result<Option<SanctionRow>, DbErr> {
    SanctionRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM sanction WHERE id = {id} AND user_id = {user}"
    ))
    .one(connection)
    .await
}

/// People with a sanction whose time is over, longest overdue first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn due(
    connection: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<UserId>, DbErr> {
    let rows = connection
        .query_all_raw(raw_sql!(
            Postgres,
            "SELECT user_id FROM sanction WHERE ended_at IS NULL AND until <= {now}
               GROUP BY user_id ORDER BY min(until) LIMIT 100"
        ))
        .await?;
    rows.iter().map(|row| row.try_get("", "user_id")).collect()
}

/// People whose strikes ask for a decision, latest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn reviews(
    connection: &impl ConnectionTrait,
    after: (DateTime<Utc>, Uuid),
    limit: Limit,
) -> Result<Vec<ReviewRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    ReviewRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM standing_review WHERE (requested_at, user_id) < ({before}, {before_id})
           ORDER BY requested_at DESC, user_id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}
