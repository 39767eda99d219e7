//! Rules of the operator's own, in the manner of a filter that moderators write: when all of these hold, that is a sign.

use std::collections::BTreeMap;

use content_analysis::Category;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use shared_schemas::{moderation::ModerationReason, post};

use crate::{Behaviour, ContentKind, Finding, normalise::Normalised, rules::RuleProblem};

/// The most bytes that a compiled pattern may take.
const PATTERN_SIZE: usize = 256 * 1024;

/// One rule of the policy file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnRule {
    /// `policy.<name>`.
    id: String,
    /// What it speaks for.
    category: ModerationReason,
    /// 1 to 100: the chance in percent that a person would agree, from this alone. At the category's `hold` or above it holds.
    weight: u8,
    /// A sentence for people.
    explanation: String,
    /// What must hold, all of it.
    when: When,
}

/// Conditions; those that are left out hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct When {
    kinds: Vec<ContentKind>,
    communities: Vec<post::Category>,
    /// ISO 639-3.
    languages: Vec<String>,
    account_younger_than_seconds: Option<u64>,
    /// The author has published fewer texts than this before; up to 100.
    published_before_fewer_than: Option<u32>,
    published_last_hour_at_least: Option<u32>,
    removed_before_at_least: Option<u32>,
    links_at_least: Option<u32>,
    mentions_at_least: Option<u32>,
    /// Found in the text as it was written; letter case counts unless the pattern begins with `(?i)`.
    text_matches: Option<Pattern>,
    /// Found in the text as the word rules read it: lower case, disguises taken off.
    normalised_matches: Option<Pattern>,
    /// The model's probabilities in thousandths.
    model_at_least: BTreeMap<Category, u16>,
}

/// A regular expression that is matched in time linear in the text.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        RegexBuilder::new(&pattern).size_limit(PATTERN_SIZE).build().map(Self)
    }
}

/// What the rules are asked about.
pub(crate) struct Asked<'a> {
    pub(crate) kind: ContentKind,
    pub(crate) original: &'a str,
    pub(crate) normalised: &'a Normalised,
    /// ISO 639-3; `und` when unknown.
    pub(crate) language: &'a str,
    pub(crate) links: usize,
    pub(crate) mentions: usize,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) model: &'a BTreeMap<Category, u16>,
}

impl OwnRule {
    /// Notes everything that is wrong with a rule; `earlier` are those before it in the file.
    pub(super) fn check(&self, earlier: &[Self], problems: &mut Vec<RuleProblem>) {
        let id = &self.id;
        let mut problem = |message: &str| {
            problems.push(RuleProblem::new("policy.toml", format!("rule `{id}`{message}")));
        };
        let is_named = id.strip_prefix("policy.").is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        if !is_named || id == "policy.denied_host" {
            problem(
                ": an id is `policy.<name>`, in small letters and `_`, and not `policy.denied_host`",
            );
        }
        if earlier.iter().any(|rule| rule.id == *id) {
            problem(" stands in the file twice");
        }
        if !(1..=100).contains(&self.weight) {
            problem(": a weight is 1 to 100");
        }
        if self.when.published_before_fewer_than.is_some_and(|than| than > 100) {
            problem(": published_before_fewer_than is 100 at most");
        }
        if self.explanation.trim().is_empty() {
            problem(" needs an explanation");
        }
        if self.when.is_always() {
            problem(" has no condition, and would hold everything");
        }
    }

    /// What the rule finds, if it applies.
    pub(crate) fn judge(&self, asked: &Asked<'_>) -> Option<Finding> {
        let span = self.when.holds(asked)?;
        Some(Finding {
            rule: self.id.clone(),
            category: self.category,
            weight: self.weight,
            span,
            explanation: self.explanation.clone(),
        })
    }
}

impl When {
    fn is_always(&self) -> bool {
        self.kinds.is_empty()
            && self.communities.is_empty()
            && self.languages.is_empty()
            && self.model_at_least.is_empty()
            && self.text_matches.is_none()
            && self.normalised_matches.is_none()
            && self.account_younger_than_seconds.is_none()
            && [
                self.published_before_fewer_than,
                self.published_last_hour_at_least,
                self.removed_before_at_least,
                self.links_at_least,
                self.mentions_at_least,
            ]
            .iter()
            .all(Option::is_none)
    }

    /// `None` if one condition does not hold; else the place in the text, if one of them is about a place.
    #[expect(clippy::option_option, reason = "whether it holds, and where")]
    fn holds(&self, asked: &Asked<'_>) -> Option<Option<(usize, usize)>> {
        let behaviour = asked.behaviour;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let at_least = |least: Option<u32>, value: u32| least.is_none_or(|least| value >= least);
        let is_among = self.kinds.is_empty() || self.kinds.contains(&asked.kind);
        let is_there = self.communities.is_empty()
            || behaviour.community.is_some_and(|community| self.communities.contains(&community));
        let is_in = self.languages.is_empty()
            || self.languages.iter().any(|language| language == asked.language);
        // Of an account whose age nobody knows nothing is held against it.
        let is_young = self
            .account_younger_than_seconds
            .is_none_or(|than| behaviour.account_age_seconds.is_some_and(|age| age < than));
        let is_beginner =
            self.published_before_fewer_than.is_none_or(|than| behaviour.published_before < than);
        let model = self
            .model_at_least
            .iter()
            .all(|(category, least)| asked.model.get(category).is_some_and(|score| score >= least));
        let holds = is_among
            && is_there
            && is_in
            && is_young
            && is_beginner
            && model
            && at_least(self.published_last_hour_at_least, behaviour.published_last_hour)
            && at_least(self.removed_before_at_least, behaviour.removed_before)
            && at_least(self.links_at_least, count(asked.links))
            && at_least(self.mentions_at_least, count(asked.mentions));
        if !holds {
            return None;
        }
        let mut place = None;
        if let Some(Pattern(pattern)) = &self.normalised_matches {
            let found = pattern.find(asked.normalised.text())?;
            place = asked.normalised.original_span(found.start(), found.end());
        }
        if let Some(Pattern(pattern)) = &self.text_matches {
            let found = pattern.find(asked.original)?;
            place = (!found.is_empty()).then(|| (found.start(), found.end()));
        }
        Some(place)
    }
}
