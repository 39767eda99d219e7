//! Statements of reasons as JSON.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::Deserialize;
use service_kit::example;
use shared_schemas::{
    CaseId,
    moderation::{AppealOutcome, CaseState, Decider, ModerationReason},
};

use crate::case::{
    body::{SpanView, SubjectKind, SubjectView, UnreadableCase},
    review::body::AppealView,
    view::CaseRow,
};

/// What the author of removed content is told.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "StatementOfReasons")]
pub struct Statement {
    /// The case; what appeals name.
    pub case_id: CaseId,
    /// What was removed.
    pub subject: SubjectView,
    /// Where it stands: `DELETE_REQUESTED` and `DELETE_CONFIRMED` while the removal holds, `RESTORE_…` once it is taken back.
    pub state: CaseState,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
    /// What in the text led to it, as far as rules saw it.
    pub findings: Vec<StatedFinding>,
    /// Whether the policy decided, without a person.
    pub automated: bool,
    /// The rules under which it was decided.
    pub rules: String,
    /// When it was removed.
    pub decided_at: DateTime<Utc>,
    /// The author's appeal.
    #[oai(skip_serializing_if_is_none)]
    pub appeal: Option<AppealView>,
    /// How to appeal, while that is possible.
    #[oai(skip_serializing_if_is_none)]
    pub how_to_appeal: Option<String>,
}

/// What one rule saw, without how much it counted.
#[derive(Clone, Debug, Deserialize, Object)]
pub struct StatedFinding {
    /// What it speaks for.
    pub category: ModerationReason,
    /// Where in the text: title, line feed and body of a post, the body of a comment. Absent if it is about no place.
    #[serde(default, deserialize_with = "span")]
    #[oai(skip_serializing_if_is_none)]
    pub span: Option<SpanView>,
    /// A sentence for people.
    pub explanation: String,
}

fn span<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SpanView>, D::Error> {
    let span = Option::<(u64, u64)>::deserialize(deserializer)?;
    Ok(span.map(|(start, end)| SpanView { start, end }))
}

impl Example for Statement {
    fn example() -> Self {
        let category = ModerationReason::Harassment;
        Self {
            case_id: CaseId(example::id(5)),
            subject: SubjectView { kind: SubjectKind::Comment, id: example::id(4), version: 1 },
            state: CaseState::DeleteConfirmed,
            reasons: vec![category],
            findings: vec![StatedFinding {
                category,
                span: Some(SpanView { start: 8, end: 14 }),
                explanation: "an insult that is aimed at somebody".to_owned(),
            }],
            automated: false,
            rules: "peerlink-rules/1 rules:5f0c policy:1b7e".to_owned(),
            decided_at: example::moment(),
            appeal: None,
            how_to_appeal: Some(how_to_appeal(CaseId(example::id(5)))),
        }
    }
}

fn how_to_appeal(case_id: CaseId) -> String {
    format!(
        "Say why the decision is wrong with POST /api/v1/moderation/decisions/{case_id}/appeal, once. \
         Somebody who did not decide will answer."
    )
}

impl TryFrom<CaseRow> for Statement {
    type Error = UnreadableCase;

    fn try_from(row: CaseRow) -> Result<Self, UnreadableCase> {
        let case_id = CaseId(row.id);
        let state: CaseState = row.state.parse()?;
        let appeal = AppealView::of(&row)?;
        let removed_by: Option<Decider> = row.removed_by.map(serde_json::from_value).transpose()?;
        let findings = row.analysis.get("findings").cloned();
        let stands = matches!(state, CaseState::DeleteRequested | CaseState::DeleteConfirmed);
        let can_appeal = stands && appeal.is_none();
        Ok(Self {
            case_id,
            subject: SubjectView {
                kind: SubjectKind::of_column(&row.subject_kind),
                id: row.subject_id,
                version: row.subject_version,
            },
            state,
            reasons: serde_json::from_value(row.reasons)?,
            findings: findings.map(serde_json::from_value).transpose()?.unwrap_or_default(),
            automated: matches!(removed_by, Some(Decider::Policy { .. })),
            rules: row.analyser,
            decided_at: row.removed_at.unwrap_or(row.opened_at),
            appeal,
            how_to_appeal: can_appeal.then(|| how_to_appeal(case_id)),
        })
    }
}

/// An appeal.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct WriteAppeal {
    /// Why the decision is wrong, 1 to 2 000 characters. Moderators read it.
    #[oai(validator(min_length = 1, max_length = 2000))]
    pub text: String,
}

impl Example for WriteAppeal {
    fn example() -> Self {
        Self { text: "It is a line of the song the post is about.".to_owned() }
    }
}

/// The answer to an appeal.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct AnswerAppeal {
    /// What it comes to.
    pub outcome: AppealOutcome,
    /// Why, 1 to 2 000 characters. The author reads it.
    #[oai(validator(min_length = 1, max_length = 2000))]
    pub text: String,
}

impl Example for AnswerAppeal {
    fn example() -> Self {
        Self { outcome: AppealOutcome::Overturned, text: "It is; your comment is back.".to_owned() }
    }
}
