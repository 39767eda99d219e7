//! From scores to a verdict.
//!
//! Two promises hold whatever the file says, since a file that breaks them is refused: speaking of self-harm is never
//! removed by the machine, and it removes only spam that the author's behaviour supports or what is plainly aimed at a person.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;
use shared_schemas::moderation::{ContentLabel, ModerationReason};
use shared_schemas::post;

use super::findings::noisy_or;
use super::rules::RuleProblem;
use super::verdict::may_be_removed;
use super::{Behaviour, Finding, Verdict};

mod lists;
mod own;
#[cfg(test)]
mod tests;

pub(super) use lists::Lists;
pub(super) use own::{Asked, OwnRule};

/// The policy file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// Whether anything is done about what is found.
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    caps: Caps,
    thresholds: BTreeMap<ModerationReason, Thresholds>,
    /// Other thresholds for some communities or languages; of those that fit, the last one counts.
    #[serde(default, rename = "override")]
    overrides: Vec<Override>,
    #[serde(default)]
    pub(super) lists: Lists,
    /// The operator's own rules.
    #[serde(default, rename = "rule")]
    pub(super) rules: Vec<OwnRule>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// What is found is held or removed.
    #[default]
    Enforce,
    /// It is recorded what would be done, and nothing is.
    Shadow,
}

/// What the machine may do by itself at most.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Caps {
    /// Removals within 24 hours; what would be removed after that is held.
    removals_per_day: Option<u32>,
}

/// Other thresholds where all that is named fits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    /// Categories of posts; all of them if left out.
    #[serde(default)]
    communities: Vec<post::Category>,
    /// ISO 639-3; all of them if left out.
    #[serde(default)]
    languages: Vec<String>,
    thresholds: BTreeMap<ModerationReason, Thresholds>,
}

/// From which scores on something is done about a category.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    /// The content bears a label, from this score on.
    #[serde(default)]
    label: Option<Labelling>,
    /// A person decides, from this score on.
    hold: u8,
    /// The content goes at once.
    #[serde(default)]
    remove: Option<Removal>,
}

/// What content is labelled with.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelling {
    /// The score.
    score: u8,
    /// The label.
    bears: ContentLabel,
}

/// What is known of the content besides its findings.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) behaviour: &'a Behaviour,
    /// ISO 639-3; `und` when unknown.
    pub(super) language: &'a str,
    pub(super) language_supported: bool,
}

/// What the policy makes of scores and findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<ModerationReason>,
    pub(super) labels: Vec<ContentLabel>,
    pub(super) would: Option<Verdict>,
}

/// What a removal without a person takes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// The score.
    score: u8,
    /// What must support it besides the score.
    support: Support,
    /// How strong that support must be.
    support_weight: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Support {
    /// Both the author's behaviour and the content itself, each together of the weight.
    Behaviour,
    /// One finding of the weight that is aimed at a person.
    Directed,
}

impl Policy {
    /// Notes everything that is wrong with the file.
    pub(super) fn check(&self, problems: &mut Vec<RuleProblem>) {
        for category in ModerationReason::ALL {
            if !self.thresholds.contains_key(category) {
                let message = format!("{category} has no thresholds");
                problems.push(RuleProblem::new("policy.toml", message));
            }
        }
        for (category, thresholds) in &self.thresholds {
            thresholds.check(*category, problems);
        }
        for (place, other) in (1..).zip(&self.overrides) {
            let mut problem = |message: &str| {
                problems
                    .push(RuleProblem::new("policy.toml", format!("override {place}{message}")));
            };
            if other.communities.is_empty() && other.languages.is_empty() {
                problem(" names neither communities nor languages");
            }
            if other.thresholds.is_empty() {
                problem(" has no thresholds");
            }
            for (category, thresholds) in &other.thresholds {
                thresholds.check(*category, problems);
            }
        }
        self.lists.check(problems);
        for (place, rule) in self.rules.iter().enumerate() {
            rule.check(self.rules.get(..place).unwrap_or_default(), problems);
        }
    }

    /// The verdict, and the categories that ask for it, worst first.
    pub(super) fn decide(
        &self,
        scores: &BTreeMap<ModerationReason, u8>,
        findings: &[Finding],
        known: Known<'_>,
    ) -> Ruling {
        let mut labels = Vec::new();
        let mut asking: Vec<(Verdict, u8, ModerationReason)> = Vec::new();
        for (&category, &score) in scores {
            let Some(thresholds) = self.thresholds(category, known) else { continue };
            if let Some(label) = thresholds.label.filter(|label| score >= label.score) {
                labels.push(label.bears);
            }
            let verdict = thresholds.verdict(category, score, findings, known.language_supported);
            if verdict != Verdict::Allow {
                asking.push((verdict, score, category));
            }
        }
        labels.sort_unstable();
        labels.dedup();
        asking.sort_by_key(|&(verdict, score, category)| {
            (Reverse(verdict), Reverse(score), category)
        });
        let mut verdict = asking.first().map_or(Verdict::Allow, |(verdict, ..)| *verdict);
        let removed = known.behaviour.removed_by_policy_last_day;
        if verdict == Verdict::Remove
            && self.caps.removals_per_day.is_some_and(|most| removed >= most)
        {
            verdict = Verdict::Hold;
        }
        let reasons = asking.into_iter().map(|(.., category)| category).collect();
        match self.mode {
            Mode::Enforce => Ruling { verdict, reasons, labels, would: None },
            Mode::Shadow => Ruling {
                verdict: Verdict::Allow,
                reasons: Vec::new(),
                labels: Vec::new(),
                would: Some(verdict),
            },
        }
    }

    fn thresholds(&self, category: ModerationReason, known: Known<'_>) -> Option<Thresholds> {
        let mut others = self.overrides.iter().rev().filter(|other| other.fits(known));
        let other = others.find_map(|other| other.thresholds.get(&category));
        other.or_else(|| self.thresholds.get(&category)).copied()
    }
}

impl Override {
    fn fits(&self, known: Known<'_>) -> bool {
        let community = known.behaviour.community;
        (self.communities.is_empty()
            || community.is_some_and(|community| self.communities.contains(&community)))
            && (self.languages.is_empty()
                || self.languages.iter().any(|language| language == known.language))
    }
}

impl Thresholds {
    fn check(self, category: ModerationReason, problems: &mut Vec<RuleProblem>) {
        let mut problem = |message: String| problems.push(RuleProblem::new("policy.toml", message));
        if !(1..=100).contains(&self.hold) {
            problem(format!("{category}: hold is 1 to 100, not {}", self.hold));
        }
        if self.label.is_some_and(|label| !(1..=100).contains(&label.score)) {
            problem(format!("{category}: the score of a label is 1 to 100"));
        }
        let Some(removal) = self.remove else { return };
        if !may_remove(category, removal.support) {
            problem(format!("{category} must not remove on this support"));
        }
        if removal.score < self.hold
            || removal.score > 100
            || !(1..=100).contains(&removal.support_weight)
        {
            problem(format!(
                "{category}: remove needs a score from hold to 100 and a support weight from 1 to 100"
            ));
        }
    }

    fn verdict(
        self,
        category: ModerationReason,
        score: u8,
        findings: &[Finding],
        language_supported: bool,
    ) -> Verdict {
        let removed = self.remove.is_some_and(|removal| {
            let own = || findings.iter().filter(|finding| finding.category == category);
            removal.is_reached(score, own()) && removal.is_supported(own(), language_supported)
        });
        match (removed, score >= self.hold) {
            (true, _) => Verdict::Remove,
            (false, true) => Verdict::Hold,
            (false, false) => Verdict::Allow,
        }
    }
}

impl Removal {
    /// What is aimed at a person is removed for what it says, which the rules read; that the model finds it likely is a
    /// reason to look.
    fn is_reached<'a>(self, score: u8, own: impl Iterator<Item = &'a Finding>) -> bool {
        let read = || own.filter(|f| !f.rule.starts_with("model.")).map(|f| f.weight);
        match self.support {
            Support::Behaviour => score >= self.score,
            Support::Directed => noisy_or(read()) >= self.score,
        }
    }

    fn is_supported<'a>(
        self,
        findings: impl Iterator<Item = &'a Finding>,
        language_supported: bool,
    ) -> bool {
        match self.support {
            Support::Behaviour => {
                let (behaviour, content): (Vec<_>, Vec<_>) =
                    findings.partition(|f| f.rule.starts_with("flooding."));
                let strong = |findings: Vec<&Finding>| {
                    noisy_or(findings.iter().map(|f| f.weight)) >= self.support_weight
                };
                strong(behaviour) && strong(content)
            }
            Support::Directed => {
                let strong =
                    |f: &Finding| f.rule.ends_with(".directed") && f.weight >= self.support_weight;
                language_supported && findings.into_iter().any(strong)
            }
        }
    }
}

fn may_remove(category: ModerationReason, support: Support) -> bool {
    let takes =
        if category == ModerationReason::Spam { Support::Behaviour } else { Support::Directed };
    may_be_removed(category) && support == takes
}
