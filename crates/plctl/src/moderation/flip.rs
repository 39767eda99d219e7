//! A judgement that comes out differently, as a line of a file.

use content_screening::{Analysis, Verdict};
use serde::{Deserialize, Serialize};
use shared_schemas::CaseId;
use shared_schemas::moderation::{ModerationReason, Subject};

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Change {
    /// What is to be done.
    Verdict,
    /// Why it is to be done.
    Reasons,
    /// Something in the analysis.
    Analysis,
}

/// A judgement that comes out differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flip {
    /// What was judged.
    pub(super) subject: Subject,
    /// Which version of it.
    pub(super) subject_version: u64,
    /// The case that there is about it, or would be.
    pub(super) case_id: CaseId,
    /// What is different.
    pub(super) change: Change,
    /// The same rules and model gave another judgement: somebody altered the record or the text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_altered: bool,
    /// What was to be done.
    pub(super) from: Verdict,
    /// Why, worst first.
    pub(super) from_reasons: Vec<ModerationReason>,
    /// According to which analyser.
    pub(super) from_version: String,
    /// What is to be done now.
    pub(super) to: Verdict,
    /// Why, worst first.
    pub(super) to_reasons: Vec<ModerationReason>,
    /// According to which analyser.
    pub(super) to_version: String,
    /// The new judgement with all that explains it; no text is in it.
    pub(super) analysis: Analysis,
}
