//! A comparison as JSON.

use poem_openapi::{Object, types::Example};
use service_kit::example;
use uuid::Uuid;

use super::view::{CategoryRow, ExampleRow, HumanRow, VerdictRow};
use crate::{
    case::body::SubjectKind,
    version::{
        band::{FlagRate, SHOWN},
        body::id_example,
    },
};

/// A share, with the interval in which the true one lies 95 times in 100 (Wilson 1927).
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// The share, 0 to 1.
    pub share: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

impl From<FlagRate> for Rate {
    fn from(rate: FlagRate) -> Self {
        let (low, high) = rate.interval(SHOWN);
        Self { count: rate.flagged, of: rate.judged, share: rate.share(), low, high }
    }
}

/// How often one verdict became another.
#[derive(Clone, Debug, Object)]
pub struct VerdictChange {
    /// What was decided: ALLOW, HOLD or REMOVE.
    pub live: String,
    /// What the version in shadow says.
    pub shadow: String,
    /// How often.
    pub count: u64,
}

/// How often a category asked for a decision.
#[derive(Clone, Debug, Object)]
pub struct CategoryCount {
    /// The category.
    pub category: String,
    /// By the judgements that count.
    pub live: u64,
    /// By those in shadow.
    pub shadow: u64,
    /// By both about the same text.
    pub both: u64,
}

/// How far people agree: what they removed should have been flagged, and what they left alone should not.
#[derive(Clone, Debug, Object)]
pub struct HumanAgreement {
    /// With the judgements that count.
    pub live: Rate,
    /// With those in shadow.
    pub shadow: Rate,
}

/// A text about which the two do not agree.
#[derive(Clone, Debug, Object)]
pub struct ChangedText {
    /// What it is.
    pub kind: SubjectKind,
    /// Which one.
    pub id: Uuid,
    /// Which version of it.
    pub version: u64,
    /// What was decided.
    pub live: String,
    /// What the version in shadow says.
    pub shadow: String,
}

/// What a version would change: its judgements in shadow beside those that count.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct Comparison {
    /// The version in shadow.
    pub version: String,
    /// Held or removed, of what both have judged.
    pub live: Rate,
    /// What the version in shadow would have held or removed.
    pub shadow: Rate,
    /// Every pair of verdicts that occurred.
    pub verdicts: Vec<VerdictChange>,
    /// Every category that occurred.
    pub categories: Vec<CategoryCount>,
    /// What moderators decided about the same texts, so far.
    pub moderators: HumanAgreement,
    /// The latest texts about which the two do not agree, at most ten of each pair of verdicts.
    pub examples: Vec<ChangedText>,
}

impl Example for Comparison {
    fn example() -> Self {
        let rate = |flagged, judged| Rate::from(FlagRate { flagged, judged });
        let change = |live: &str, shadow: &str, count| VerdictChange {
            live: live.to_owned(),
            shadow: shadow.to_owned(),
            count,
        };
        Self {
            version: id_example(),
            live: rate(21, 1_000),
            shadow: rate(24, 1_000),
            verdicts: vec![
                change("ALLOW", "ALLOW", 975),
                change("ALLOW", "HOLD", 4),
                change("HOLD", "ALLOW", 1),
                change("HOLD", "HOLD", 20),
            ],
            categories: vec![CategoryCount {
                category: "SPAM".to_owned(),
                live: 21,
                shadow: 24,
                both: 20,
            }],
            moderators: HumanAgreement { live: rate(15, 18), shadow: rate(17, 18) },
            examples: vec![ChangedText {
                kind: SubjectKind::Post,
                id: example::id(1),
                version: 1,
                live: "ALLOW".to_owned(),
                shadow: "HOLD".to_owned(),
            }],
        }
    }
}

fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// What was counted, put together.
pub fn comparison(
    version: String,
    verdicts: &[VerdictRow],
    categories: Vec<CategoryRow>,
    humans: &HumanRow,
    examples: Vec<ExampleRow>,
) -> Comparison {
    let judged = verdicts.iter().map(|row| count(row.count)).sum();
    let flagged = |verdict: fn(&VerdictRow) -> &str| {
        let rows = verdicts.iter().filter(|row| verdict(row) != "ALLOW");
        FlagRate { flagged: rows.map(|row| count(row.count)).sum(), judged }
    };
    let agreed = |agreed: i64| FlagRate { flagged: count(agreed), judged: count(humans.decided) };
    Comparison {
        version,
        live: flagged(|row| &row.live_verdict).into(),
        shadow: flagged(|row| &row.verdict).into(),
        verdicts: verdicts
            .iter()
            .map(|row| VerdictChange {
                live: row.live_verdict.clone(),
                shadow: row.verdict.clone(),
                count: count(row.count),
            })
            .collect(),
        categories: categories
            .into_iter()
            .map(|row| CategoryCount {
                category: row.category,
                live: count(row.live),
                shadow: count(row.shadow),
                both: count(row.both),
            })
            .collect(),
        moderators: HumanAgreement {
            live: agreed(humans.live_agreed).into(),
            shadow: agreed(humans.shadow_agreed).into(),
        },
        examples: examples
            .into_iter()
            .map(|row| ChangedText {
                kind: SubjectKind::of_column(&row.subject_kind),
                id: row.subject_id,
                version: count(row.subject_version),
                live: row.live_verdict,
                shadow: row.verdict,
            })
            .collect(),
    }
}
