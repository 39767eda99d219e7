//! Every query on cases.

use chrono::{DateTime, Utc};
use event_runtime::Version;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use service_kit::{Cursor, Limit};
use shared_schemas::{
    CaseId, CommentId, PostId,
    moderation::{CaseState, Subject},
};
use uuid::Uuid;

use super::priority::NO_REACH;

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
    /// The near-copies it belongs to.
    pub cluster_id: Option<String>,
    /// How many people reported it.
    pub reports: i64,
    /// An array of the categories of reports.
    pub reported_for: Value,
    /// Who claimed it last.
    pub claimed_by: Option<Uuid>,
    /// Until when.
    pub claimed_until: Option<DateTime<Utc>>,
    /// Whether administrators decide it.
    pub escalated: bool,
    /// An array of moderators who have seen it.
    pub acknowledged_by: Value,
    /// An array of labels.
    pub labels: Value,
    /// Who would remove it and waits for a second one.
    pub proposed_by: Option<Uuid>,
    /// When the removal that stands, or stood last, was decided.
    pub removed_at: Option<DateTime<Utc>>,
    /// Who decided that.
    pub removed_by: Option<Value>,
    /// PENDING, UPHELD or OVERTURNED.
    pub appeal: Option<String>,
    /// What the author says.
    pub appeal_text: Option<String>,
    /// What the author was answered.
    pub appeal_answer: Option<String>,
    /// When the author appealed.
    pub appealed_at: Option<DateTime<Utc>>,
    /// When the author was answered.
    pub appeal_resolved_at: Option<DateTime<Utc>>,
    /// How many people the content has reached.
    pub reach: i64,
    /// Where it stands in the queue.
    pub priority: i64,
    /// Its version.
    pub version: i64,
}

/// The kind of subject that is a post.
pub const POST: &str = "POST";
/// The kind of subject that is a comment.
pub const COMMENT: &str = "COMMENT";

/// The moment of a cursor. Anybody can make a cursor, so it is kept within what PostgreSQL can hold: 1970 to 2999.
pub fn moment(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds.clamp(0, 32_503_680_000_000_000))
        .unwrap_or_default()
}

/// The subject that columns hold.
pub fn subject(kind: &str, id: Uuid) -> Subject {
    if kind == POST { Subject::Post(PostId(id)) } else { Subject::Comment(CommentId(id)) }
}

/// The kind and id of a subject, as columns hold them.
pub fn columns(subject: Subject) -> (&'static str, Uuid) {
    match subject {
        Subject::Post(id) => (POST, id.0),
        Subject::Comment(id) => (COMMENT, id.0),
    }
}

impl CaseRow {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        subject(&self.subject_kind, self.subject_id)
    }

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
    CaseRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT c.*, coalesce(r.reach, 0) AS reach, c.urgency * coalesce(r.factor, {NO_REACH}) AS priority
           FROM moderation_case c
             LEFT JOIN published_text t ON t.subject_id = c.subject_id
             LEFT JOIN post_reach r ON r.post_id = coalesce(t.post_id, c.subject_id)
           WHERE c.id = {id}"
    ))
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
    let (before, before_id) = (moment(after.0), after.1);
    CaseRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT c.*, coalesce(r.reach, 0) AS reach, c.urgency * coalesce(r.factor, {NO_REACH}) AS priority
           FROM moderation_case c
             LEFT JOIN published_text t ON t.subject_id = c.subject_id
             LEFT JOIN post_reach r ON r.post_id = coalesce(t.post_id, c.subject_id)
           WHERE ({state}::text IS NULL OR c.state = {state}) AND (c.opened_at, c.id) < ({before}, {before_id})
           ORDER BY c.opened_at DESC, c.id DESC LIMIT {fetch}"
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
