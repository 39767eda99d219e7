//! From scores to a verdict.
//!
//! Two promises hold whatever the file says, since a file that breaks them is refused: speaking of self-harm is never
//! removed by the machine, and it removes only spam that the author's behaviour supports or what is plainly aimed at a person.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

use super::findings::noisy_or;
use super::rules::RuleProblem;
use super::{Finding, Verdict};

/// The policy file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    thresholds: BTreeMap<ModerationReason, Thresholds>,
}

/// From which scores on something is done about a category.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    /// A person decides, from this score on.
    hold: u8,
    /// The content goes at once.
    #[serde(default)]
    remove: Option<Removal>,
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
        let mut problem = |message: String| problems.push(RuleProblem::new("policy.toml", message));
        for category in ModerationReason::ALL {
            if !self.thresholds.contains_key(category) {
                problem(format!("{category} has no thresholds"));
            }
        }
        for (category, thresholds) in &self.thresholds {
            if !(1..=100).contains(&thresholds.hold) {
                problem(format!("{category}: hold is 1 to 100, not {}", thresholds.hold));
            }
            let Some(removal) = thresholds.remove else { continue };
            if !may_remove(*category, removal.support) {
                problem(format!("{category} must not remove on this support"));
            }
            if removal.score < thresholds.hold
                || removal.score > 100
                || !(1..=100).contains(&removal.support_weight)
            {
                problem(format!(
                    "{category}: remove needs a score from hold to 100 and a support weight from 1 to 100"
                ));
            }
        }
    }

    /// The verdict and the categories that ask for it, worst first.
    pub(super) fn decide(
        &self,
        scores: &BTreeMap<ModerationReason, u8>,
        findings: &[Finding],
        language_supported: bool,
    ) -> (Verdict, Vec<ModerationReason>) {
        let mut asking: Vec<(Verdict, u8, ModerationReason)> = scores
            .iter()
            .filter_map(|(&category, &score)| {
                let thresholds = self.thresholds.get(&category)?;
                let verdict = thresholds.verdict(category, score, findings, language_supported);
                (verdict != Verdict::Allow).then_some((verdict, score, category))
            })
            .collect();
        asking.sort_by_key(|&(verdict, score, category)| {
            (Reverse(verdict), Reverse(score), category)
        });
        let verdict = asking.first().map_or(Verdict::Allow, |(verdict, ..)| *verdict);
        (verdict, asking.into_iter().map(|(.., category)| category).collect())
    }
}

impl Thresholds {
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
    match category {
        ModerationReason::Spam => support == Support::Behaviour,
        ModerationReason::Threat | ModerationReason::Racism | ModerationReason::Harassment => {
            support == Support::Directed
        }
        ModerationReason::SelfHarm
        | ModerationReason::OffensiveContent
        | ModerationReason::Nudity
        | ModerationReason::RulesViolation => false,
    }
}
