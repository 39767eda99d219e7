//! The queue, and what moderators read with a case.

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use service_kit::Limit;
use shared_schemas::{
    CaseId, UserId,
    moderation::{CaseState, ContentLabel, ModerationReason},
};
use uuid::Uuid;

use crate::case::{priority::NO_REACH, view::CaseRow};

/// Who has a case in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClaimedBy {
    /// Nobody, or a claim that has ended.
    Nobody,
    /// Whoever asks.
    Me,
    /// Somebody else.
    Others,
}

/// What the queue is narrowed to.
#[derive(Clone, Debug)]
pub struct QueueFilter {
    /// Cases in this state; what waits for a decision or the answer to an appeal if absent.
    pub state: Option<CaseState>,
    /// Cases with this reason, by the analyser or by a report.
    pub reason: Option<ModerationReason>,
    /// Content with this label.
    pub label: Option<ContentLabel>,
    /// Near-copies.
    pub cluster_id: Option<String>,
    /// Cases that administrators are asked to decide, or the others.
    pub escalated: Option<bool>,
    /// Cases whose appeal waits for an answer, or the others.
    pub appealed: Option<bool>,
    /// Who has it in hand.
    pub claimed_by: Option<ClaimedBy>,
    /// Who asks.
    pub moderator: UserId,
    /// When.
    pub now: DateTime<Utc>,
}

/// A note of a moderator.
#[derive(Clone, Debug, FromQueryResult)]
pub struct NoteRow {
    /// Who wrote it.
    pub moderator_id: Uuid,
    /// What.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The labels of some content.
#[derive(Clone, Debug, FromQueryResult)]
pub struct LabelRow {
    /// The content.
    pub subject_id: Uuid,
    /// An array of labels.
    pub labels: Value,
}

/// What a case is about, as it was when it was first reported.
#[derive(Clone, Debug, FromQueryResult)]
pub struct EvidenceRow {
    /// The whole text.
    pub evidence: Option<String>,
    /// Its SHA-256.
    pub evidence_sha256: Option<String>,
}

/// The queue, most pressing first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn queue(
    connection: &impl ConnectionTrait,
    filter: QueueFilter,
    after: (i64, Uuid),
    limit: Limit,
) -> Result<Vec<CaseRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    let QueueFilter { escalated, appealed, moderator, now, .. } = filter;
    let (state, cluster) = (filter.state.map(CaseState::as_str), filter.cluster_id);
    let reason = filter.reason.map(|reason| json!([reason]));
    let label = filter.label.map(|label| json!([label]));
    let claimed = filter.claimed_by.map(|claimed_by| match claimed_by {
        ClaimedBy::Nobody => "NOBODY",
        ClaimedBy::Me => "ME",
        ClaimedBy::Others => "OTHERS",
    });
    CaseRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM (
           SELECT c.*, coalesce(r.reach, 0) AS reach, c.urgency * coalesce(r.factor, {NO_REACH}) AS priority
             FROM moderation_case c
               LEFT JOIN published_text t ON t.subject_id = c.subject_id
               LEFT JOIN post_reach r ON r.post_id = coalesce(t.post_id, c.subject_id)
             WHERE CASE WHEN {state}::text IS NULL THEN c.state = 'OPENED' OR coalesce(c.appeal = 'PENDING', false)
                        ELSE c.state = {state}::text END
               AND ({reason}::jsonb IS NULL OR c.reasons @> {reason}::jsonb OR c.reported_for @> {reason}::jsonb)
               AND ({label}::jsonb IS NULL OR c.labels @> {label}::jsonb)
               AND ({cluster}::text IS NULL OR c.cluster_id = {cluster}::text)
               AND ({escalated}::boolean IS NULL OR c.escalated = {escalated}::boolean)
               AND ({appealed}::boolean IS NULL OR coalesce(c.appeal = 'PENDING', false) = {appealed}::boolean)
               AND CASE {claimed}::text
                     WHEN 'NOBODY' THEN coalesce(c.claimed_until <= {now}, true)
                     WHEN 'ME' THEN c.claimed_by = {moderator} AND c.claimed_until > {now}
                     WHEN 'OTHERS' THEN c.claimed_by <> {moderator} AND c.claimed_until > {now}
                     ELSE true END
         ) queue
         WHERE (priority, id) < ({before}, {before_id})
         ORDER BY priority DESC, id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// The cases of a cluster that wait for a decision, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn open_in_cluster(
    connection: &impl ConnectionTrait,
    cluster_id: &str,
    limit: i64,
) -> Result<Vec<CaseId>, DbErr> {
    let rows = connection
        .query_all_raw(raw_sql!(
            Postgres,
            "SELECT id FROM moderation_case WHERE cluster_id = {cluster_id} AND state = 'OPENED'
               ORDER BY opened_at, id LIMIT {limit}"
        ))
        .await?;
    rows.iter().map(|row| row.try_get("", "id").map(CaseId)).collect()
}

/// The notes of a case, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn notes(
    connection: &impl ConnectionTrait,
    case_id: CaseId,
) -> Result<Vec<NoteRow>, DbErr> {
    NoteRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT moderator_id, note, created_at FROM case_note WHERE case_id = {case_id} ORDER BY created_at, id"
    ))
    .all(connection)
    .await
}

/// What was kept of the content.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn evidence(
    connection: &impl ConnectionTrait,
    case_id: CaseId,
) -> Result<Option<EvidenceRow>, DbErr> {
    EvidenceRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT evidence, evidence_sha256 FROM moderation_case WHERE id = {case_id}"
    ))
    .one(connection)
    .await
}

/// The labels of some content: those of its latest version, as a moderator says, or else its screening. Content without labels is
/// left out.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn labels(
    connection: &impl ConnectionTrait,
    subject_ids: &[Uuid],
) -> Result<Vec<LabelRow>, DbErr> {
    let ids = json!(subject_ids);
    LabelRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT subject_id, labels FROM (
           SELECT DISTINCT ON (subject_id) subject_id, labels FROM (
             SELECT subject_id, subject_version, true AS is_case,
                    CASE WHEN labelled_at IS NOT NULL THEN labels END AS labels FROM moderation_case
             UNION ALL SELECT subject_id, subject_version, false, labels FROM cleared_content
           ) given LEFT JOIN published_text t USING (subject_id)
             WHERE subject_id IN (SELECT value::uuid FROM jsonb_array_elements_text({ids}::jsonb))
               AND given.subject_version >= coalesce(t.subject_version, 0)
             ORDER BY subject_id, given.subject_version DESC, labels IS NULL, is_case DESC
         ) latest
         WHERE labels <> '[]'
         ORDER BY subject_id"
    ))
    .all(connection)
    .await
}
