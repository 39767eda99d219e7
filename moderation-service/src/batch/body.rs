//! Batches as JSON.

use chrono::{DateTime, Utc};
use content_screening::{Analysis, Verdict, verdict::may_be_removed};
use poem_openapi::{Object, types::Example};
use service_kit::{Problem, example};
use shared_schemas::{BatchId, CommentId, PostId, UserId, moderation::Subject};
use uuid::Uuid;

use super::{
    aggregate::BatchState,
    part::Item,
    view::{BatchRow, RefusalRow},
};
use crate::case::body::{SubjectKind, VerdictView};

impl From<VerdictView> for Verdict {
    fn from(verdict: VerdictView) -> Self {
        match verdict {
            VerdictView::Allow => Self::Allow,
            VerdictView::Hold => Self::Hold,
            VerdictView::Remove => Self::Remove,
        }
    }
}

/// A judgement that came out differently.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Flip")]
pub struct FlipBody {
    /// What was judged.
    pub subject_kind: SubjectKind,
    /// Its id.
    pub subject_id: Uuid,
    /// Which version of it.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub subject_version: u64,
    /// The verdict on record.
    pub from: VerdictView,
    /// The verdict now.
    pub to: VerdictView,
    /// The whole new analysis, as `plctl moderation replay --out` writes it.
    pub analysis: serde_json::Value,
}

/// A part of a batch.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct SendPart {
    /// The batch; whoever sends it names it, and sends it again without harm.
    pub batch_id: BatchId,
    /// Why; the same in all parts.
    #[oai(validator(min_length = 1, max_length = 2000))]
    pub reason: String,
    /// Name and hashes of the analyser whose judgements these are; the same in all parts.
    #[oai(validator(min_length = 1, max_length = 1000))]
    pub analyser: String,
    /// In how many parts the batch comes; the same in all of them.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub parts: u32,
    /// Which part this is, from 0.
    #[oai(validator(maximum(value = "9999")))]
    pub part: u32,
    /// The judgements.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub flips: Vec<FlipBody>,
}

impl Example for SendPart {
    fn example() -> Self {
        Self {
            batch_id: BatchId(example::id(20)),
            reason: "Links in first posts are held from 45 on.".to_owned(),
            analyser: "peerlink-rules/2 rules:5f0c policy:1b7e".to_owned(),
            parts: 1,
            part: 0,
            flips: vec![FlipBody {
                subject_kind: SubjectKind::Post,
                subject_id: example::id(3),
                subject_version: 1,
                from: VerdictView::Allow,
                to: VerdictView::Hold,
                analysis: serde_json::json!({
                    "verdict": "HOLD", "reasons": ["SPAM"], "scores": { "SPAM": 47 }, "findings": [],
                    "language_unsupported": false
                }),
            }],
        }
    }
}

/// Why a batch is undone.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct UndoBatch {
    /// Why.
    #[oai(validator(min_length = 1, max_length = 2000))]
    pub reason: String,
}

impl Example for UndoBatch {
    fn example() -> Self {
        Self { reason: "It held what nobody minds.".to_owned() }
    }
}

/// A batch.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Batch")]
pub struct BatchView {
    /// Its id.
    pub id: BatchId,
    /// How far it is.
    pub state: BatchState,
    /// Who opened it.
    pub opened_by: UserId,
    /// Why.
    pub reason: String,
    /// Name and hashes of the analyser whose judgements these are.
    pub analyser: String,
    /// In how many parts it comes.
    pub parts: i32,
    /// How many have come.
    pub received: i32,
    /// How many are carried out; while it is being undone, how many are undone.
    pub done: i32,
    /// Judgements in the parts that have come.
    pub items: i64,
    /// Judgements that were carried out.
    pub changed: i64,
    /// Judgements that were left alone.
    pub refused: i64,
    /// Judgements that were undone.
    pub undone: i64,
    /// Judgements that were to be undone and were left alone.
    pub kept: i64,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When all of it was carried out.
    #[oai(skip_serializing_if_is_none)]
    pub applied_at: Option<DateTime<Utc>>,
    /// Who asked to have it undone.
    #[oai(skip_serializing_if_is_none)]
    pub undo_asked_by: Option<UserId>,
    /// Why.
    #[oai(skip_serializing_if_is_none)]
    pub undo_reason: Option<String>,
    /// When all of it was undone.
    #[oai(skip_serializing_if_is_none)]
    pub undone_at: Option<DateTime<Utc>>,
    /// What was left alone, and why: up to 1 000 of them. Absent in lists.
    #[oai(skip_serializing_if_is_none)]
    pub refusals: Option<Vec<RefusalView>>,
}

/// A judgement that was left alone.
#[derive(Clone, Debug, Object)]
#[oai(rename = "BatchRefusal")]
pub struct RefusalView {
    /// What was judged.
    pub subject_kind: SubjectKind,
    /// Its id.
    pub subject_id: Uuid,
    /// Which version of it.
    pub subject_version: i64,
    /// When the batch was carried out (`APPLY`) or undone (`UNDO`).
    pub step: String,
    /// Why, such as `decided-by-person`.
    pub refusal: String,
}

impl Example for BatchView {
    fn example() -> Self {
        let SendPart { batch_id, reason, analyser, parts, .. } = SendPart::example();
        Self {
            id: batch_id,
            state: BatchState::Applied,
            opened_by: UserId(example::id(1)),
            reason,
            analyser,
            parts: i32::try_from(parts).unwrap_or(1),
            received: 1,
            done: 1,
            items: 1,
            changed: 0,
            refused: 1,
            undone: 0,
            kept: 0,
            opened_at: example::moment(),
            applied_at: Some(example::moment()),
            undo_asked_by: None,
            undo_reason: None,
            undone_at: None,
            refusals: Some(vec![RefusalView {
                subject_kind: SubjectKind::Post,
                subject_id: example::id(3),
                subject_version: 1,
                step: "APPLY".to_owned(),
                refusal: "decided-by-person".to_owned(),
            }]),
        }
    }
}

impl From<BatchRow> for BatchView {
    fn from(row: BatchRow) -> Self {
        Self {
            id: BatchId(row.id),
            state: BatchState::of_column(&row.state),
            opened_by: UserId(row.opened_by),
            reason: row.reason,
            analyser: row.analyser,
            parts: row.parts,
            received: row.received,
            done: row.done,
            items: row.items,
            changed: row.changed,
            refused: row.refused,
            undone: row.undone,
            kept: row.kept,
            opened_at: row.opened_at,
            applied_at: row.applied_at,
            undo_asked_by: row.undo_asked_by.map(UserId),
            undo_reason: row.undo_reason,
            undone_at: row.undone_at,
            refusals: None,
        }
    }
}

impl From<RefusalRow> for RefusalView {
    fn from(row: RefusalRow) -> Self {
        Self {
            subject_kind: SubjectKind::of_column(&row.subject_kind),
            subject_id: row.subject_id,
            subject_version: row.subject_version,
            step: row.step,
            refusal: row.refusal,
        }
    }
}

impl FlipBody {
    /// The judgement, if it can be carried out at all.
    ///
    /// # Errors
    ///
    /// 400 if the analysis is none, says something else than the flip, or removes what no machine removes.
    pub fn checked(self) -> Result<Item, Problem> {
        let Self { subject_kind, subject_id, subject_version, from, to, analysis } = self;
        let wrong = |detail: &str| {
            Problem::bad_request("invalid-flip", format!("the flip of {subject_id}: {detail}"))
        };
        let read: Analysis = serde_json::from_value(analysis.clone())
            .map_err(|error| wrong(&format!("the analysis is none: {error}")))?;
        let (from, to) = (Verdict::from(from), Verdict::from(to));
        if from == to {
            return Err(wrong("it changes nothing"));
        }
        if read.verdict != to || read.reasons.is_empty() != (to == Verdict::Allow) {
            return Err(wrong("the analysis says something else"));
        }
        if to == Verdict::Remove && !read.reasons.first().copied().is_some_and(may_be_removed) {
            return Err(wrong("a machine does not remove for this reason"));
        }
        let subject = match subject_kind {
            SubjectKind::Post => Subject::Post(PostId(subject_id)),
            SubjectKind::Comment => Subject::Comment(CommentId(subject_id)),
        };
        Ok(Item { subject, subject_version, from, to, analysis })
    }
}
