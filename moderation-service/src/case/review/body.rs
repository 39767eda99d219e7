//! What moderators do with cases, as JSON.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use service_kit::example;
use shared_schemas::{
    CaseId, UserId,
    moderation::{AppealOutcome, CaseState, ContentLabel, Decision, ModerationReason},
};

use crate::case::{body::UnreadableCase, view::CaseRow};

/// Where a case stands among moderators.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "CaseReview")]
pub struct ReviewView {
    /// Severity × uncertainty × reports × reach; the queue is ordered by it, largest first.
    pub priority: i64,
    /// How many people the content has reached, roughly: views, and five for each reaction and comment.
    pub reach: i64,
    /// How many people reported it.
    pub reports: i64,
    /// What it was reported for, without repeats.
    pub reported_for: Vec<ModerationReason>,
    /// The near-copies it belongs to.
    #[oai(skip_serializing_if_is_none)]
    pub cluster_id: Option<String>,
    /// Who claimed it last.
    #[oai(skip_serializing_if_is_none)]
    pub claimed_by: Option<UserId>,
    /// Until when; from then on the claim does not count.
    #[oai(skip_serializing_if_is_none)]
    pub claimed_until: Option<DateTime<Utc>>,
    /// Whether an administrator has to decide.
    pub escalated: bool,
    /// Who has seen it and left it open.
    pub acknowledged_by: Vec<UserId>,
    /// What everybody is told of the content.
    pub labels: Vec<ContentLabel>,
    /// Who would remove it; a second moderator has to agree.
    #[oai(skip_serializing_if_is_none)]
    pub proposed_by: Option<UserId>,
}

impl Example for ReviewView {
    fn example() -> Self {
        Self {
            priority: 735_000,
            reach: 3,
            reports: 1,
            reported_for: vec![ModerationReason::Harassment],
            cluster_id: None,
            claimed_by: Some(UserId(example::id(6))),
            claimed_until: Some(example::moment()),
            escalated: false,
            acknowledged_by: Vec::new(),
            labels: Vec::new(),
            proposed_by: None,
        }
    }
}

impl TryFrom<&CaseRow> for ReviewView {
    type Error = UnreadableCase;

    fn try_from(row: &CaseRow) -> Result<Self, UnreadableCase> {
        Ok(Self {
            priority: row.priority,
            reach: row.reach,
            reports: row.reports,
            reported_for: serde_json::from_value(row.reported_for.clone())?,
            cluster_id: row.cluster_id.clone(),
            claimed_by: row.claimed_by.map(UserId),
            claimed_until: row.claimed_until,
            escalated: row.escalated,
            acknowledged_by: serde_json::from_value(row.acknowledged_by.clone())?,
            labels: serde_json::from_value(row.labels.clone())?,
            proposed_by: row.proposed_by.map(UserId),
        })
    }
}

/// How far an appeal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AppealState {
    /// Nobody has answered.
    Pending,
    /// The decision stands.
    Upheld,
    /// The decision was wrong and is taken back.
    Overturned,
}

/// An appeal against a removal.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Appeal")]
pub struct AppealView {
    /// How far it has come.
    pub state: AppealState,
    /// What the author says.
    pub text: String,
    /// When the author appealed.
    pub appealed_at: DateTime<Utc>,
    /// What the author was answered.
    #[oai(skip_serializing_if_is_none)]
    pub answer: Option<String>,
    /// When.
    #[oai(skip_serializing_if_is_none)]
    pub resolved_at: Option<DateTime<Utc>>,
}

impl AppealView {
    /// The appeal of a case, if there is one.
    ///
    /// # Errors
    ///
    /// [`UnreadableCase`] if the column holds no known state.
    pub fn of(row: &CaseRow) -> Result<Option<Self>, UnreadableCase> {
        let (Some(state), Some(appealed_at)) = (&row.appeal, row.appealed_at) else {
            return Ok(None);
        };
        let state = match state.parse::<AppealOutcome>() {
            Ok(AppealOutcome::Upheld) => AppealState::Upheld,
            Ok(AppealOutcome::Overturned) => AppealState::Overturned,
            Err(_) if state == "PENDING" => AppealState::Pending,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Self {
            state,
            text: row.appeal_text.clone().unwrap_or_default(),
            appealed_at,
            answer: row.appeal_answer.clone(),
            resolved_at: row.appeal_resolved_at,
        }))
    }
}

/// Something for colleagues.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct WriteNote {
    /// 1 to 2 000 characters.
    #[oai(validator(min_length = 1, max_length = 2000))]
    pub note: String,
}

impl Example for WriteNote {
    fn example() -> Self {
        Self { note: "The third of this kind this week.".to_owned() }
    }
}

/// Why a case goes to administrators.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct Escalate {
    /// For them, 1 to 2 000 characters.
    #[oai(validator(min_length = 1, max_length = 2000), skip_serializing_if_is_none)]
    pub note: Option<String>,
}

impl Example for Escalate {
    fn example() -> Self {
        Self { note: Some("A public figure; please decide.".to_owned()) }
    }
}

/// The labels of some content.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct SetLabels {
    /// All of them; none takes all off.
    #[oai(validator(max_items = 6, unique_items))]
    pub labels: Vec<ContentLabel>,
}

impl Example for SetLabels {
    fn example() -> Self {
        Self { labels: vec![ContentLabel::Sensitive] }
    }
}

/// A note of a moderator.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CaseNote")]
pub struct NoteView {
    /// Who wrote it.
    pub moderator_id: UserId,
    /// What.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What was reported, without who reported it.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CaseReport")]
pub struct ReportedView {
    /// What for.
    pub category: ModerationReason,
    /// In the reporter's words.
    #[oai(skip_serializing_if_is_none)]
    pub note: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What moderators read with a case.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "CaseFile")]
pub struct FileView {
    /// What the content said when it was first reported; edits and deletion do not change it. Absent without a report.
    #[oai(skip_serializing_if_is_none)]
    pub evidence: Option<String>,
    /// SHA-256 of that text in UTF-8, in lower-case hexadecimal.
    #[oai(skip_serializing_if_is_none)]
    pub evidence_sha256: Option<String>,
    /// The first hundred reports, first one first. Nobody sees who made them.
    pub reports: Vec<ReportedView>,
    /// Notes, oldest first.
    pub notes: Vec<NoteView>,
}

impl Example for FileView {
    fn example() -> Self {
        Self {
            evidence: Some("You, again.".to_owned()),
            evidence_sha256: Some(
                "1f0c3a5e8b7d2c4f6a9e0b1d3c5f7a8e2b4d6f8091a3c5e7f9b1d3f5a7c9e1b3".to_owned(),
            ),
            reports: vec![ReportedView {
                category: ModerationReason::Harassment,
                note: Some("Has followed her through every thread.".to_owned()),
                created_at: example::moment(),
            }],
            notes: vec![NoteView {
                moderator_id: UserId(example::id(6)),
                note: WriteNote::example().note,
                created_at: example::moment(),
            }],
        }
    }
}

/// A decision about many cases.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct DecideMany {
    /// These cases.
    #[oai(validator(min_items = 1, max_items = 100, unique_items), skip_serializing_if_is_none)]
    pub case_ids: Option<Vec<CaseId>>,
    /// The first hundred open cases of these near-copies, in visible ASCII. Exactly one of the two is given.
    #[oai(validator(max_length = 200, pattern = "^[!-~]+$"), skip_serializing_if_is_none)]
    pub cluster_id: Option<String>,
    /// What is to happen with the content of each.
    pub decision: Decision,
    /// Why, worst first; each case's own reasons if absent.
    #[oai(validator(min_items = 1, max_items = 8, unique_items), skip_serializing_if_is_none)]
    pub reasons: Option<Vec<ModerationReason>>,
    /// For colleagues, 1 to 2 000 characters; written to every case.
    #[oai(validator(min_length = 1, max_length = 2000), skip_serializing_if_is_none)]
    pub note: Option<String>,
}

impl Example for DecideMany {
    fn example() -> Self {
        Self {
            case_ids: Some(vec![CaseId(example::id(5))]),
            cluster_id: None,
            decision: Decision::Delete,
            reasons: Some(vec![ModerationReason::Spam]),
            note: None,
        }
    }
}

/// What became of one case of many.
#[derive(Clone, Debug, Object)]
pub struct DecidedOne {
    /// The case.
    pub case_id: CaseId,
    /// Where it stands, if the decision was taken.
    #[oai(skip_serializing_if_is_none)]
    pub state: Option<CaseState>,
    /// Why it was not: the kind of problem, as if the case had been decided alone.
    #[oai(skip_serializing_if_is_none)]
    pub problem: Option<String>,
    /// The same for people.
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
}

/// What became of many cases.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct DecidedMany {
    /// One by one; each was decided in a transaction of its own.
    pub cases: Vec<DecidedOne>,
}

impl Example for DecidedMany {
    fn example() -> Self {
        let case_id = CaseId(example::id(5));
        let state = Some(CaseState::DeleteRequested);
        Self { cases: vec![DecidedOne { case_id, state, problem: None, detail: None }] }
    }
}
