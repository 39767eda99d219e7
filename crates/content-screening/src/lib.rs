//! What the platform thinks of a text, before a person has looked at it. No I/O.
//!
//! [`Analyser`] is a pure function of the text, the author's recent behaviour and the analyser's version: the same
//! input gives the same [`Analysis`], so a decision can be replayed. [`RuleAnalyser`] answers it with rules that each
//! explain themselves; another analyser can take its place behind the same trait.

use std::collections::BTreeMap;
use std::fmt;

pub use content_analysis::Category;
use serde::{Deserialize, Serialize};
use shared_schemas::moderation::{ContentLabel, ModerationReason};
use shared_schemas::post;

mod analyser;
mod findings;
mod flooding;
pub mod interval;
mod language;
mod lexicon;
mod links;
mod model;
mod normalise;
mod policy;
pub mod publication;
pub mod record;
mod repetition;
mod rules;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use analyser::{MAX_ANALYSED_BYTES, RuleAnalyser};
pub use rules::{RuleFiles, RuleFilesError, RuleProblem, sha256};
pub use verdict::Verdict;

/// Judges content; pure, so that a replay comes to the same result.
pub trait Analyser: Send + Sync {
    /// Which analyser with which rules; recorded with every decision.
    fn version(&self) -> &AnalyserVersion;

    /// Judges one text of an author who behaved like this. Never panics, whatever the text holds.
    fn analyse(&self, content: &Content<'_>, behaviour: &Behaviour) -> Analysis;

    /// What a text links to, host and path without query, each once: what [`Behaviour::same_link_last_day`] compares.
    fn links(&self, text: &str) -> Vec<String>;

    /// How many people a text mentions, each once.
    fn mentions(&self, text: &str) -> u32;
}

/// Names an analyser exactly: two analysers of the same version judge alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalyserVersion {
    /// Name and release of the code.
    pub name: String,
    /// SHA-256 over the rule files, in lower-case hexadecimal.
    pub rules_sha256: String,
    /// SHA-256 of the policy file, in lower-case hexadecimal.
    pub policy_sha256: String,
    /// Which trained model; empty for an analyser that had none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
}

impl fmt::Display for AnalyserVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules:{} policy:{}", self.name, self.rules_sha256, self.policy_sha256)?;
        if self.model.is_empty() { Ok(()) } else { write!(f, " model:{}", self.model) }
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The whole text; of a post the title, a line feed and the body.
    pub text: &'a str,
    /// What the text was published as.
    pub kind: ContentKind,
}

/// What a text was published as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// Stands alone.
    Post,
    /// Answers somebody.
    Comment,
}

/// What was known besides the text when it was judged, the judged content not counted; from the event log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Posts and comments of the last 60 seconds.
    pub published_last_minute: u32,
    /// Posts and comments of the last 60 minutes.
    pub published_last_hour: u32,
    /// Posts and comments of the last 24 hours with the same text.
    pub same_text_last_day: u32,
    /// Posts and comments of the last 24 hours with a link that the judged content has too.
    pub same_link_last_day: u32,
    /// Posts and comments of the last 24 hours that say almost the same, by anybody.
    #[serde(default, skip_serializing_if = "is_none")]
    pub near_copies_last_day: u32,
    /// Other authors of those.
    #[serde(default, skip_serializing_if = "is_none")]
    pub near_copy_authors_last_day: u32,
    /// How long the account has existed; `None` when unknown, which counts neither for nor against the author.
    pub account_age_seconds: Option<u64>,
    /// Mentions of people in posts and comments of the last 60 minutes.
    #[serde(default, skip_serializing_if = "is_none")]
    pub mentioned_last_hour: u32,
    /// Posts and comments that the author published at any time before; counted up to 100.
    #[serde(default, skip_serializing_if = "is_none")]
    pub published_before: u32,
    /// Removals of the author's posts and comments in the last 90 days that stand.
    #[serde(default, skip_serializing_if = "is_none")]
    pub removed_before: u32,
    /// Posts and comments of the last 24 hours, by anybody, that link to a host which the judged content links to, and were
    /// removed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub same_host_removed_last_day: u32,
    /// Removals by the policy in the last 24 hours, of anybody's content.
    #[serde(default, skip_serializing_if = "is_none")]
    pub removed_by_policy_last_day: u32,
    /// The category of the post, or of the post that is commented on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community: Option<post::Category>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// What one rule saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id of the rule: `<family>.<rule>`, and `.directed` behind it when aimed at a person.
    pub rule: String,
    /// What the rule speaks for.
    pub category: ModerationReason,
    /// How strongly, 1 to 100: the chance in percent that a person would agree, by the author of the rule.
    pub weight: u8,
    /// The bytes of the judged text that the rule saw, start and end (exclusive), always at character boundaries;
    /// `None` when the finding is not about a place in the text.
    pub span: Option<(usize, usize)>,
    /// A sentence for people.
    pub explanation: String,
}

/// The judgement and everything that led to it; by default that of a text in which nothing was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// What is to be done.
    pub verdict: Verdict,
    /// The categories that ask for it, worst first; empty exactly when the verdict is [`Verdict::Allow`].
    pub reasons: Vec<ModerationReason>,
    /// 0 to 100 for every category: the noisy-or of the weights of its findings.
    pub scores: BTreeMap<ModerationReason, u8>,
    /// Strongest first, then by place in the text, then by rule.
    pub findings: Vec<Finding>,
    /// What the trained model says, in thousandths; empty for an analyser that had none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model: BTreeMap<Category, u16>,
    /// How many characters hide something from readers like the model, and how many words it read as another than they were
    /// written.
    #[serde(default, skip_serializing_if = "is_none")]
    pub disguised: u32,
    /// The text is not in a language the word rules know, so that single words count little.
    pub language_unsupported: bool,
    /// The language that the model read, ISO 639-3; `und` when unknown, empty for an analyser that did not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// What the content bears from now on, whatever the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<ContentLabel>,
    /// The verdict that a policy in shadow mode would have come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Verdict>,
}
