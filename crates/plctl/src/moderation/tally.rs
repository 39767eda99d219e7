//! What a replay adds up. Parts that were counted apart are merged, in whatever order, into the same figures.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use content_screening::Verdict;
use serde::Serialize;
use shared_schemas::CaseId;
use shared_schemas::moderation::{Decision, ModerationReason};
use shared_schemas::post::Category;
use uuid::Uuid;

use super::flip::Flip;
use super::human::Counts;

/// Examples of each kind of change.
const SAMPLES: usize = 5;

/// Records that are named because they do not say what they must.
const NAMED: usize = 20;

/// Judgements before and after, of whatever they have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Shift {
    /// How many there are.
    pub(super) judged: u64,
    /// How many were held.
    pub(super) held_before: u64,
    /// How many are held now.
    pub(super) held_after: u64,
    /// How many were removed.
    pub(super) removed_before: u64,
    /// How many are removed now.
    pub(super) removed_after: u64,
    /// How many have another verdict.
    pub(super) changed: u64,
}

/// One judgement, made twice.
pub(super) struct Weighed<'a> {
    /// When the text was judged first.
    pub(super) at: DateTime<Utc>,
    /// By which analyser.
    pub(super) version: &'a str,
    /// Whether the second one was of the same version.
    pub(super) is_version_given: bool,
    /// Whether both analyses are the same.
    pub(super) is_same: bool,
    /// The verdict then.
    pub(super) before: Verdict,
    /// The worst reason then.
    pub(super) before_worst: Option<ModerationReason>,
    /// The verdict now.
    pub(super) after: Verdict,
    /// The worst reason now.
    pub(super) after_worst: Option<ModerationReason>,
    /// Whether the word rules know the language.
    pub(super) is_supported: bool,
    /// The language of the text, ISO 639-3.
    pub(super) language: &'a str,
    /// What the post is about.
    pub(super) community: Option<Category>,
    /// What a moderator decided last.
    pub(super) decision: Option<Decision>,
}

/// Judgements of one version of the analyser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OfVersion {
    pub(super) is_given: bool,
    pub(super) judged: u64,
    pub(super) differences: u64,
    pub(super) changed: u64,
}

/// An example.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) flip: Flip,
    pub(super) text: Option<String>,
}

/// A record that does not say what it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Named {
    /// The post or comment.
    pub(super) subject_id: Uuid,
    /// Which version of it; of a record that cannot be read, which of its judgements.
    pub(super) version: u64,
    /// What is wrong.
    pub(super) what: &'static str,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) recorded: u64,
    pub(super) erased: u64,
    pub(super) unreadable: u64,
    pub(super) differences: u64,
    pub(super) altered: u64,
    pub(super) all: Shift,
    pub(super) verdicts: BTreeMap<(Verdict, Verdict), u64>,
    pub(super) versions: BTreeMap<String, OfVersion>,
    pub(super) categories: BTreeMap<ModerationReason, Shift>,
    pub(super) support: BTreeMap<bool, Shift>,
    pub(super) languages: BTreeMap<String, Shift>,
    pub(super) communities: BTreeMap<String, Shift>,
    pub(super) days: BTreeMap<NaiveDate, Shift>,
    pub(super) people_before: Counts,
    pub(super) people_after: Counts,
    /// Those with the lowest case ids, which are hashes: the same ones whoever counts, and in whatever order.
    pub(super) samples: BTreeMap<(Verdict, Verdict), BTreeMap<CaseId, Sample>>,
    pub(super) named: Vec<Named>,
}

impl Shift {
    fn count(&mut self, before: Verdict, after: Verdict) {
        self.judged += 1;
        self.held_before += u64::from(before == Verdict::Hold);
        self.held_after += u64::from(after == Verdict::Hold);
        self.removed_before += u64::from(before == Verdict::Remove);
        self.removed_after += u64::from(after == Verdict::Remove);
        self.changed += u64::from(before != after);
    }

    fn merge(&mut self, other: Self) {
        self.judged += other.judged;
        self.held_before += other.held_before;
        self.held_after += other.held_after;
        self.removed_before += other.removed_before;
        self.removed_after += other.removed_after;
        self.changed += other.changed;
    }
}

impl Tally {
    /// A judgement whose text is gone.
    pub(super) fn erased(&mut self) {
        self.recorded += 1;
        self.erased += 1;
    }

    /// A record that is no judgement.
    pub(super) fn unreadable(&mut self, subject_id: Uuid, version: i64) {
        self.recorded += 1;
        self.unreadable += 1;
        let version = u64::try_from(version).unwrap_or(0);
        self.name(Named { subject_id, version, what: "unreadable" });
    }

    /// A judgement that was made again.
    pub(super) fn weigh(&mut self, weighed: &Weighed<'_>) {
        let Weighed { before, after, .. } = *weighed;
        let is_changed = before != after;
        self.recorded += 1;
        self.differences += u64::from(!weighed.is_same);
        self.all.count(before, after);
        *self.verdicts.entry((before, after)).or_default() += 1;
        let version = self.versions.entry(weighed.version.to_owned()).or_default();
        version.is_given = weighed.is_version_given;
        version.judged += 1;
        version.differences += u64::from(!weighed.is_same);
        version.changed += u64::from(is_changed);
        // Each under what it was for and under what it is for, once if that is the same.
        let (then, now) = (weighed.before_worst, weighed.after_worst);
        match (then, now) {
            (Some(then), Some(now)) if then == now => {
                self.categories.entry(then).or_default().count(before, after);
            }
            (then, now) => {
                let sides = [(then, before, Verdict::Allow), (now, Verdict::Allow, after)];
                for (category, before, after) in sides {
                    if let Some(category) = category {
                        self.categories.entry(category).or_default().count(before, after);
                    }
                }
            }
        }
        self.support.entry(weighed.is_supported).or_default().count(before, after);
        self.languages.entry(weighed.language.to_owned()).or_default().count(before, after);
        let community = weighed.community.map_or("unknown", Category::as_str);
        self.communities.entry(community.to_owned()).or_default().count(before, after);
        self.days.entry(weighed.at.date_naive()).or_default().count(before, after);
        if let Some(decision) = weighed.decision {
            self.people_before.count(decision, before);
            self.people_after.count(decision, after);
        }
    }

    /// Keeps a change as an example, and names it if a record was altered.
    pub(super) fn sample(&mut self, flip: &Flip, text: Option<&String>) {
        if flip.is_altered {
            self.altered += 1;
            let (subject_id, version) = (subject_id(flip), flip.subject_version);
            self.name(Named { subject_id, version, what: "altered" });
        }
        let kind = self.samples.entry((flip.from, flip.to)).or_default();
        let is_lower = kind.last_key_value().is_none_or(|(last, _)| flip.case_id < *last);
        if kind.len() < SAMPLES || is_lower {
            let sample = Sample { flip: flip.clone(), text: text.cloned() };
            kind.insert(flip.case_id, sample);
            if kind.len() > SAMPLES {
                kind.pop_last();
            }
        }
    }

    /// Adds what was counted of other judgements.
    pub(super) fn merge(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.erased += other.erased;
        self.unreadable += other.unreadable;
        self.differences += other.differences;
        self.altered += other.altered;
        self.all.merge(other.all);
        for (verdicts, count) in other.verdicts {
            *self.verdicts.entry(verdicts).or_default() += count;
        }
        for (name, version) in other.versions {
            let mine = self.versions.entry(name).or_default();
            mine.is_given = version.is_given;
            mine.judged += version.judged;
            mine.differences += version.differences;
            mine.changed += version.changed;
        }
        merge(&mut self.categories, other.categories);
        merge(&mut self.support, other.support);
        merge(&mut self.languages, other.languages);
        merge(&mut self.communities, other.communities);
        merge(&mut self.days, other.days);
        self.people_before.merge(&other.people_before);
        self.people_after.merge(&other.people_after);
        for (kind, samples) in other.samples {
            let mine = self.samples.entry(kind).or_default();
            mine.extend(samples);
            while mine.len() > SAMPLES {
                mine.pop_last();
            }
        }
        for named in other.named {
            self.name(named);
        }
    }

    fn name(&mut self, named: Named) {
        if self.named.len() < NAMED {
            self.named.push(named);
        }
    }
}

fn subject_id(flip: &Flip) -> Uuid {
    content_screening::record::ScreeningId::from(flip.subject).into()
}

fn merge<K: Ord>(mine: &mut BTreeMap<K, Shift>, other: BTreeMap<K, Shift>) {
    for (key, shift) in other {
        mine.entry(key).or_default().merge(shift);
    }
}
