//! Puts findings in order and combines their weights.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use shared_schemas::moderation::ModerationReason;

use super::Finding;

/// More would explain nothing and make the recorded decision large.
pub(super) const MAX_FINDINGS: usize = 64;

/// Sorts the findings, drops exact repeats and keeps the strongest [`MAX_FINDINGS`].
pub(super) fn arrange(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.weight > 0);
    findings.sort_by(order);
    findings.dedup();
    findings.truncate(MAX_FINDINGS);
    findings
}

fn order(a: &Finding, b: &Finding) -> Ordering {
    let by_strength = b.weight.cmp(&a.weight);
    let by_place = by_strength.then(a.span.cmp(&b.span)).then_with(|| a.rule.cmp(&b.rule));
    by_place.then(a.category.cmp(&b.category)).then_with(|| a.explanation.cmp(&b.explanation))
}

/// The score of every category, those without findings included.
pub(super) fn scores(findings: &[Finding]) -> BTreeMap<ModerationReason, u8> {
    let of = |category| {
        noisy_or(findings.iter().filter(move |f| f.category == category).map(|f| f.weight))
    };
    ModerationReason::ALL.iter().map(|&category| (category, of(category))).collect()
}

/// The chance, in percent, that at least one of independent causes holds. In integers, so that every machine agrees.
pub(super) fn noisy_or(weights: impl Iterator<Item = u8>) -> u8 {
    const WHOLE: u64 = 1_000_000_000_000;
    let none = weights.fold(WHOLE, |none, weight| none * (100 - u64::from(weight.min(100))) / 100);
    u8::try_from((WHOLE - none) / (WHOLE / 100)).unwrap_or(100)
}

/// Keeps the strongest finding for each key and the earliest of equals, so that repeating a word does not add up.
#[derive(Default)]
pub(super) struct Strongest<K> {
    seen: BTreeMap<K, Finding>,
}

impl<K: Ord> Strongest<K> {
    /// Takes the finding unless a stronger or earlier one is there.
    pub(super) fn offer(&mut self, key: K, finding: Finding) {
        let weaker = self.seen.get(&key).is_some_and(|known| known.weight >= finding.weight);
        if !weaker {
            self.seen.insert(key, finding);
        }
    }

    /// What was kept, in the order of the keys.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.seen.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_weights_combine_as_noisy_or() {
        assert_eq!(noisy_or([].into_iter()), 0);
        assert_eq!(noisy_or([40].into_iter()), 40);
        assert_eq!(noisy_or([50, 50].into_iter()), 75);
        assert_eq!(noisy_or([100, 3].into_iter()), 100);
        assert_eq!(noisy_or([60, 20, 10].into_iter()), noisy_or([10, 60, 20].into_iter()));
    }
}
