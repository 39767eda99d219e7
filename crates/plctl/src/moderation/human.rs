//! What people decided, beside what rules and model say.

use content_screening::{Verdict, interval::wilson};
use serde::Serialize;
use shared_schemas::moderation::Decision;

/// Judgements of content that a moderator decided about: by what was decided last, and by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    removed: [u64; 3],
    kept: [u64; 3],
}

/// A share of some number, and where the true one is in 19 of 20 cases: see [`wilson`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Share {
    /// How many.
    pub(super) hits: u64,
    /// Of how many.
    pub(super) of: u64,
    /// `hits / of`; absent without any.
    pub(super) ratio: Option<f64>,
    /// The lower end of the interval.
    pub(super) low: f64,
    /// Its upper end.
    pub(super) high: f64,
}

/// How a set of rules stands to what people decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Agreement {
    /// Of what is held or removed and a person decided: what the person removed.
    pub(super) flagged_rightly: Share,
    /// Of what is removed without a person, and one decided later: what the person removed, too.
    pub(super) removed_rightly: Share,
    /// Of what a person removed: what is held or removed.
    pub(super) found: Share,
    /// A person removed it; it would pass.
    pub(super) would_pass: u64,
    /// A person let it stand or brought it back; it would be removed at once.
    pub(super) would_go: u64,
}

impl Counts {
    /// Takes one judgement into account.
    pub(super) fn count(&mut self, decision: Decision, verdict: Verdict) {
        let row = match decision {
            Decision::Delete => &mut self.removed,
            Decision::Dismiss | Decision::Restore => &mut self.kept,
        };
        let [allow, hold, remove] = row;
        *match verdict {
            Verdict::Allow => allow,
            Verdict::Hold => hold,
            Verdict::Remove => remove,
        } += 1;
    }

    /// Adds others.
    pub(super) fn merge(&mut self, other: &Self) {
        let pairs = [(&mut self.removed, other.removed), (&mut self.kept, other.kept)];
        for (mine, others) in pairs {
            for (mine, other) in mine.iter_mut().zip(others) {
                *mine += other;
            }
        }
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.removed.iter().chain(&self.kept).sum()
    }

    /// How the verdicts stand to the decisions.
    pub(super) fn agreement(&self) -> Agreement {
        let ([passed, held, removed], [_, kept_held, kept_removed]) = (self.removed, self.kept);
        let flagged = held + removed;
        Agreement {
            flagged_rightly: share(flagged, flagged + kept_held + kept_removed),
            removed_rightly: share(removed, removed + kept_removed),
            found: share(flagged, flagged + passed),
            would_pass: passed,
            would_go: kept_removed,
        }
    }
}

/// A share with its interval.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 judgements")]
pub(super) fn share(hits: u64, of: u64) -> Share {
    // The 97.5th percentile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let (low, high) = wilson(hits, of, Z);
    let ratio = (of > 0).then(|| hits as f64 / of as f64);
    Share { hits, of, ratio, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(share(0, 0).ratio, None);
        assert_eq!(share(1, 4).ratio, Some(0.25));
    }

    #[test]
    fn only_what_overrules_a_person_contradicts_one() {
        let mut counts = Counts::default();
        for (decision, verdict) in [
            (Decision::Delete, Verdict::Allow),
            (Decision::Delete, Verdict::Hold),
            (Decision::Dismiss, Verdict::Remove),
            (Decision::Restore, Verdict::Hold),
            (Decision::Restore, Verdict::Allow),
        ] {
            counts.count(decision, verdict);
        }
        let mut twice = counts;
        twice.merge(&counts);
        let agreement = counts.agreement();

        assert_eq!((agreement.would_pass, agreement.would_go), (1, 1));
        assert_eq!((agreement.flagged_rightly.hits, agreement.flagged_rightly.of), (1, 3));
        assert_eq!((agreement.found.hits, agreement.found.of), (1, 2));
        assert_eq!((counts.total(), twice.total()), (5, 10));
    }
}
