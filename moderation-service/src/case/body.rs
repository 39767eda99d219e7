//! Cases and decisions as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use service_kit::{Problem, example};
use shared_schemas::{
    CaseId, UserId,
    choice::UnknownChoice,
    moderation::{CaseState, Decider, Decision, ModerationReason},
};
use uuid::Uuid;

use super::{
    api::clean_text,
    review::body::{AppealView, ReviewView},
    view::CaseRow,
};
use content_screening::{Analysis, Finding, Verdict};

/// A case.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Case")]
pub struct CaseView {
    /// The case.
    pub id: CaseId,
    /// What it is about.
    pub subject: SubjectView,
    /// Who wrote it.
    pub author_id: UserId,
    /// Where the case stands.
    pub state: CaseState,
    /// Why, worst first: as last decided, before that as analysed.
    pub reasons: Vec<ModerationReason>,
    /// The last decision.
    #[oai(skip_serializing_if_is_none)]
    pub decision: Option<Decision>,
    /// Who took it.
    #[oai(skip_serializing_if_is_none)]
    pub decided_by: Option<DeciderView>,
    /// What the analyser saw, and what it made of it.
    pub analysis: AnalysisView,
    /// When the case was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was last decided.
    #[oai(skip_serializing_if_is_none)]
    pub decided_at: Option<DateTime<Utc>>,
    /// What moderators do with it.
    pub review: ReviewView,
    /// The author's appeal against the removal.
    #[oai(skip_serializing_if_is_none)]
    pub appeal: Option<AppealView>,
}

/// What a case is about.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CaseSubject")]
pub struct SubjectView {
    /// What it is.
    pub kind: SubjectKind,
    /// Its id.
    pub id: Uuid,
    /// Which version of it was analysed, from 1.
    pub version: i64,
}

/// What content is.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "CaseSubjectKind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubjectKind {
    /// A post.
    Post,
    /// A comment.
    Comment,
}

impl SubjectKind {
    /// As columns spell it.
    pub const fn as_column(self) -> &'static str {
        match self {
            Self::Post => super::view::POST,
            Self::Comment => super::view::COMMENT,
        }
    }

    /// What a column says.
    pub fn of_column(kind: &str) -> Self {
        if kind == super::view::POST { Self::Post } else { Self::Comment }
    }
}

/// Who decided a case.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Decider")]
pub struct DeciderView {
    /// A person or the policy.
    pub kind: DeciderKind,
    /// The moderator.
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<UserId>,
    /// Name and hashes of the analyser, its rules and its policy.
    #[oai(skip_serializing_if_is_none)]
    pub version: Option<String>,
}

/// A person or the policy.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeciderKind {
    /// The policy, without a person.
    Policy,
    /// A moderator.
    Moderator,
}

/// A judgement and everything that led to it.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Analysis")]
pub struct AnalysisView {
    /// Name and hashes of the analyser, its rules and its policy.
    pub analyser: String,
    /// What the analyser asked for.
    pub verdict: VerdictView,
    /// The categories that asked for it, worst first.
    pub reasons: Vec<ModerationReason>,
    /// 0 to 100 for every category.
    pub scores: BTreeMap<String, u8>,
    /// What single rules saw, strongest first.
    pub findings: Vec<FindingView>,
    /// Whether the text is in a language the word rules do not know, so that single words counted little.
    pub language_unsupported: bool,
}

/// What an analyser asks for.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "Verdict", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerdictView {
    /// Nothing.
    Allow,
    /// A decision by a person.
    Hold,
    /// Removal at once.
    Remove,
}

/// What one rule saw.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Finding")]
pub struct FindingView {
    /// The rule.
    pub rule: String,
    /// What it speaks for.
    pub category: ModerationReason,
    /// How strongly, 1 to 100.
    pub weight: u8,
    /// Where in the text: title, line feed and body of a post, the body of a comment. Absent if it is about no place.
    #[oai(skip_serializing_if_is_none)]
    pub span: Option<SpanView>,
    /// A sentence for people.
    pub explanation: String,
}

/// A part of a text, in bytes of its UTF-8 form, at character boundaries.
#[derive(Clone, Copy, Debug, Object)]
#[oai(rename = "Span")]
pub struct SpanView {
    /// Its first byte.
    pub start: u64,
    /// The byte after its last.
    pub end: u64,
}

/// What a moderator decides.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct Decide {
    /// What is to happen with the content.
    pub decision: Decision,
    /// Why, worst first; the case's own reasons if absent.
    #[oai(validator(min_items = 1, max_items = 8, unique_items), skip_serializing_if_is_none)]
    pub reasons: Option<Vec<ModerationReason>>,
    /// For colleagues, 1 to 2 000 characters; never published.
    #[oai(validator(min_length = 1, max_length = 2000), skip_serializing_if_is_none)]
    pub note: Option<String>,
}

impl Example for Decide {
    fn example() -> Self {
        Self {
            decision: Decision::Delete,
            reasons: Some(vec![ModerationReason::Harassment]),
            note: None,
        }
    }
}

impl Decide {
    /// With the note in its one form.
    ///
    /// # Errors
    ///
    /// 400 if the note is none.
    pub fn cleaned(self) -> Result<Self, Problem> {
        let note = self.note.map(|note| clean_text("note", &note, 2_000)).transpose()?;
        Ok(Self { note, ..self })
    }
}

/// A row that this build cannot read: a newer one wrote it, or somebody by hand.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableCase {
    /// A value of a closed list.
    #[error("a column of the case holds no known value")]
    Choice(#[from] UnknownChoice),
    /// A JSON column.
    #[error("a column of the case does not have its form")]
    Json(#[from] serde_json::Error),
}

impl Example for CaseView {
    fn example() -> Self {
        let reason = ModerationReason::Harassment;
        let finding = FindingView {
            rule: "insult".to_owned(),
            category: reason,
            weight: 55,
            span: Some(SpanView { start: 8, end: 14 }),
            explanation: "an insult that is aimed at somebody".to_owned(),
        };
        Self {
            id: CaseId(example::id(5)),
            subject: SubjectView { kind: SubjectKind::Comment, id: example::id(4), version: 1 },
            author_id: UserId(example::id(2)),
            state: CaseState::Opened,
            reasons: vec![reason],
            decision: None,
            decided_by: None,
            analysis: AnalysisView {
                analyser: "rules".to_owned(),
                verdict: VerdictView::Hold,
                reasons: vec![reason],
                scores: BTreeMap::from([(reason.to_string(), finding.weight)]),
                findings: vec![finding],
                language_unsupported: false,
            },
            opened_at: example::moment(),
            decided_at: None,
            review: ReviewView::example(),
            appeal: None,
        }
    }
}

impl TryFrom<CaseRow> for CaseView {
    type Error = UnreadableCase;

    fn try_from(row: CaseRow) -> Result<Self, UnreadableCase> {
        let review = ReviewView::try_from(&row)?;
        let appeal = AppealView::of(&row)?;
        let analysis: Option<Analysis> = serde_json::from_value(row.analysis)?;
        let reasons: Vec<ModerationReason> = serde_json::from_value(row.reasons)?;
        let decided_by: Option<Decider> = row.decided_by.map(serde_json::from_value).transpose()?;
        let kind = SubjectKind::of_column(&row.subject_kind);
        Ok(Self {
            id: CaseId(row.id),
            subject: SubjectView { kind, id: row.subject_id, version: row.subject_version },
            author_id: UserId(row.author_id),
            state: row.state.parse()?,
            reasons: reasons.clone(),
            decision: row.decision.map(|decision| decision.parse()).transpose()?,
            decided_by: decided_by.map(DeciderView::from),
            analysis: match analysis {
                Some(analysis) => AnalysisView::new(row.analyser, analysis),
                None => AnalysisView::absent(row.analyser, reasons),
            },
            opened_at: row.opened_at,
            decided_at: row.decided_at,
            review,
            appeal,
        })
    }
}

impl From<Decider> for DeciderView {
    fn from(decider: Decider) -> Self {
        match decider {
            Decider::Policy { version, .. } => {
                Self { kind: DeciderKind::Policy, user_id: None, version: Some(version) }
            }
            Decider::Moderator { user_id } => {
                Self { kind: DeciderKind::Moderator, user_id: Some(user_id), version: None }
            }
        }
    }
}

impl AnalysisView {
    /// Of a case that reports opened before any analyser spoke.
    fn absent(analyser: String, reasons: Vec<ModerationReason>) -> Self {
        Self {
            analyser,
            verdict: VerdictView::Hold,
            reasons,
            scores: BTreeMap::new(),
            findings: Vec::new(),
            language_unsupported: false,
        }
    }

    fn new(analyser: String, analysis: Analysis) -> Self {
        Self {
            analyser,
            verdict: match analysis.verdict {
                Verdict::Allow => VerdictView::Allow,
                Verdict::Hold => VerdictView::Hold,
                Verdict::Remove => VerdictView::Remove,
            },
            reasons: analysis.reasons,
            scores: analysis
                .scores
                .into_iter()
                .map(|(category, score)| (category.to_string(), score))
                .collect(),
            findings: analysis.findings.into_iter().map(FindingView::from).collect(),
            language_unsupported: analysis.language_unsupported,
        }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let Finding { rule, category, weight, span, explanation } = finding;
        let span = span.map(|(start, end)| SpanView { start: start as u64, end: end as u64 });
        Self { rule, category, weight, span, explanation }
    }
}
