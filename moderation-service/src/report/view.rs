//! Every query on reports.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use service_kit::Limit;
use shared_schemas::{
    CaseId, UserId,
    moderation::{CaseState, ModerationReason},
};
use uuid::Uuid;

use super::aggregate::ReportId;

/// A report with the state of its case.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ReportRow {
    /// The report.
    pub id: Uuid,
    /// POST or COMMENT.
    pub subject_kind: String,
    /// What was reported.
    pub subject_id: Uuid,
    /// Which version of it.
    pub subject_version: i64,
    /// What for.
    pub category: ModerationReason,
    /// In the reporter's words.
    pub note: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Where the case stands.
    pub state: CaseState,
}

/// What a report says, without who made it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ReportedRow {
    /// What for.
    pub category: ModerationReason,
    /// In the reporter's words.
    pub note: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// One report.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: ReportId,
) -> Result<Option<ReportRow>, DbErr> {
    let id = id.0;
    ReportRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT r.*, c.state FROM report r JOIN moderation_case c ON c.id = r.case_id WHERE r.id = {id}"
    ))
    .one(connection)
    .await
}

/// A person's own reports, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn of_reporter(
    connection: &impl ConnectionTrait,
    reporter: UserId,
    after: (DateTime<Utc>, Uuid),
    limit: Limit,
) -> Result<Vec<ReportRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    ReportRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT r.*, c.state FROM report r JOIN moderation_case c ON c.id = r.case_id
           WHERE r.reporter_id = {reporter} AND (r.created_at, r.id) < ({before}, {before_id})
           ORDER BY r.created_at DESC, r.id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// What was reported in a case, first report first; a hundred of them say enough.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn of_case(
    connection: &impl ConnectionTrait,
    case_id: CaseId,
) -> Result<Vec<ReportedRow>, DbErr> {
    ReportedRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT category, note, created_at FROM report WHERE case_id = {case_id} ORDER BY created_at, id LIMIT 100"
    ))
    .all(connection)
    .await
}

/// How long a person has to wait for the next report who may make so many within an hour: whole seconds, or nothing. Others
/// of the same person wait until the transaction ends, so that two at once are counted one after the other.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn wait(
    txn: &DatabaseTransaction,
    reporter: UserId,
    now: DateTime<Utc>,
    per_hour: i64,
) -> Result<Option<u64>, DbErr> {
    let key = format!("peerlink.report.{reporter}");
    txn.execute_raw(raw_sql!(Postgres, "SELECT pg_advisory_xact_lock(hashtextextended({key}, 0))"))
        .await?;
    let passed_over = per_hour - 1;
    let row = txn
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT created_at FROM report WHERE reporter_id = {reporter}
               ORDER BY created_at DESC, id DESC OFFSET {passed_over} LIMIT 1"
        ))
        .await?;
    let Some(row) = row else { return Ok(None) };
    let first: DateTime<Utc> = row.try_get("", "created_at")?;
    let wait = (first + TimeDelta::hours(1) - now).num_seconds();
    Ok(u64::try_from(wait).ok().filter(|seconds| *seconds > 0))
}
