//! Every query on batches.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use service_kit::Limit;
use shared_schemas::BatchId;
use uuid::Uuid;

/// Refusals that are shown with a batch.
pub const REFUSALS: i64 = 1_000;

/// A batch as it is stored.
#[derive(Clone, Debug, FromQueryResult)]
pub struct BatchRow {
    /// The batch.
    pub id: Uuid,
    /// A [`BatchState`](super::aggregate::BatchState).
    pub state: String,
    /// Who opened it.
    pub opened_by: Uuid,
    /// Why.
    pub reason: String,
    /// Whose judgements these are.
    pub analyser: String,
    /// In how many parts it comes.
    pub parts: i32,
    /// How many have come.
    pub received: i32,
    /// How many were carried out or undone.
    pub done: i32,
    /// Judgements in the parts that have come.
    pub items: i64,
    /// Judgements that were carried out.
    pub changed: i64,
    /// Judgements that were not.
    pub refused: i64,
    /// Judgements that were undone.
    pub undone: i64,
    /// Judgements that were not.
    pub kept: i64,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When all of it was carried out.
    pub applied_at: Option<DateTime<Utc>>,
    /// Who asked to have it undone.
    pub undo_asked_by: Option<Uuid>,
    /// Why.
    pub undo_reason: Option<String>,
    /// When all of it was undone.
    pub undone_at: Option<DateTime<Utc>>,
}

/// A judgement that was left alone.
#[derive(Clone, Debug, FromQueryResult)]
pub struct RefusalRow {
    /// POST or COMMENT.
    pub subject_kind: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// Which version of it.
    pub subject_version: i64,
    /// APPLY or UNDO.
    pub step: String,
    /// Why, a word.
    pub refusal: String,
}

/// A judgement of a part.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ItemRow {
    /// Its place in the part.
    pub item: i32,
    /// POST or COMMENT.
    pub subject_kind: String,
    /// What was judged.
    pub subject_id: Uuid,
    /// Which version of it.
    pub subject_version: i64,
    /// The verdict on record.
    pub from_verdict: String,
    /// The verdict now.
    pub to_verdict: String,
    /// The new analysis.
    pub analysis: Value,
    /// Whether it was left alone when the batch was carried out.
    pub is_refused: bool,
}

/// One batch.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    id: BatchId,
) -> Result<Option<BatchRow>, DbErr> {
    BatchRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM moderation_batch WHERE id = {id}"
    ))
    .one(connection)
    .await
}

/// Batches, newest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    after: (DateTime<Utc>, Uuid),
    limit: Limit,
) -> Result<Vec<BatchRow>, DbErr> {
    let ((before, before_id), fetch) = (after, limit.fetch());
    BatchRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT * FROM moderation_batch WHERE (opened_at, id) < ({before}, {before_id})
           ORDER BY opened_at DESC, id DESC LIMIT {fetch}"
    ))
    .all(connection)
    .await
}

/// What a batch left alone, at most [`REFUSALS`] of it.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn refusals(
    connection: &impl ConnectionTrait,
    id: BatchId,
) -> Result<Vec<RefusalRow>, DbErr> {
    RefusalRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT i.subject_kind, i.subject_id, i.subject_version, r.step, r.refusal
           FROM batch_refusal r JOIN batch_item i ON i.batch_id = r.batch_id AND i.part = r.part AND i.item = r.item
           WHERE r.batch_id = {id} ORDER BY r.step, r.part, r.item LIMIT {REFUSALS}"
    ))
    .all(connection)
    .await
}

/// The batches that something is to be done about, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn unfinished(connection: &impl ConnectionTrait) -> Result<Vec<BatchId>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
    }
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id FROM moderation_batch WHERE state IN ('APPLYING', 'UNDOING') ORDER BY opened_at LIMIT 10"
    ))
    .all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| BatchId(row.id)).collect())
}

/// The judgements of a part.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn items(
    connection: &impl ConnectionTrait,
    id: BatchId,
    part: u32,
) -> Result<Vec<ItemRow>, DbErr> {
    let part = i32::try_from(part).unwrap_or(i32::MAX);
    ItemRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT i.item, i.subject_kind, i.subject_id, i.subject_version, i.from_verdict, i.to_verdict, i.analysis,
                EXISTS (SELECT FROM batch_refusal r
                          WHERE r.batch_id = i.batch_id AND r.part = i.part AND r.item = i.item AND r.step = 'APPLY')
                  AS is_refused
           FROM batch_item i WHERE i.batch_id = {id} AND i.part = {part} ORDER BY i.item"
    ))
    .all(connection)
    .await
}
