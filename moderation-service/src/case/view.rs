//! Every query on cases.

use chrono::{DateTime, Utc};
use event_runtime::Version;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use service_kit::{Cursor, Limit};
use shared_schemas::{
    CaseId,
    moderation::{CaseState, Subject},
};
use uuid::Uuid;

/// A case as it is stored.
#[derive(Clone, Debug, FromQueryResult)]
pub struct CaseRow {
    /// The case.
    pub id: Uuid,
    /// [`POST`] or [`COMMENT`].
    pub subject_kind: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// Which version of it.
    pub subject_version: i64,
    /// Who wrote it.
    pub author_id: Uuid,
    /// A [`CaseState`].
    pub state: String,
    /// An array of reasons, worst first.
    pub reasons: Value,
    /// Name and hash of the analyser and its rules.
    pub analyser: String,
    /// The analysis.
    pub analysis: Value,
    /// The last decision.
    pub decision: Option<String>,
    /// Who took it.
    pub decided_by: Option<Value>,
    /// When the case was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was last decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// Its version.
    pub version: i64,
}

/// The kind of subject that is a post.
pub const POST: &str = "POST";
/// The kind of subject that is a comment.
pub const COMMENT: &str = "COMMENT";

/// The kind and id of a subject, as columns hold them.
pub fn columns(subject: Subject) -> (&'static str, Uuid) {
    match subject {
        Subject::Post(id) => (POST, id.0),
        Subject::Comment(id) => (COMMENT, id.0),
    }
}

impl CaseRow {
    /// The version for an `ETag`.
    pub fn version(&self) -> Version {
        Version(self.version)
    }

    /// Where it stands in a list.
    pub fn cursor(opened_at: DateTime<Utc>, id: CaseId) -> Cursor {
        Cursor::after(opened_at.timestamp_micros(), id.0)
    }
}

/// One case.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(connection: &impl ConnectionTrait, id: CaseId) -> Result<Option<CaseRow>, DbErr> {
    CaseRow::find_by_statement(raw_sql!(Postgres, "SELECT * FROM moderation_case WHERE id = {id}"))
        .one(connection)
        .await
}

/// Cases, newest first; in one state or in any.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    state: Option<CaseState>,
    after: (i64, Uuid),
    limit: Limit,
) -> Result<Vec<CaseRow>, DbErr> {
    let (state, fetch) = (state.map(CaseState::as_str), limit.fetch());
    let (before, before_id) = after;
    // The latest moment that PostgreSQL keeps is earlier than that of chrono.
    let latest = DateTime::from_timestamp(32_503_680_000, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let before = DateTime::from_timestamp_micros(before.max(0)).unwrap_or(latest).min(latest);
    CaseRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM moderation_case
           WHERE ({state}::text IS NULL OR state = {state}) AND (opened_at, id) < ({before}, {before_id})
           ORDER BY opened_at DESC, id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// The cases about some content that wait in one state, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn waiting(
    connection: &impl ConnectionTrait,
    subject: Subject,
    state: CaseState,
) -> Result<Vec<CaseId>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
    }
    let ((_, subject_id), state) = (columns(subject), state.as_str());
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id FROM moderation_case WHERE subject_id = {subject_id} AND state = {state} ORDER BY opened_at, id"
    ))
    .all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| CaseId(row.id)).collect())
}
