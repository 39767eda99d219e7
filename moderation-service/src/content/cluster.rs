//! Near-copies: texts that say almost the same, whoever publishes them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use content_analysis::near_copy::Signature;
use shared_schemas::UserId;
use uuid::Uuid;

use super::{fingerprint, projection::Activity, view::Alike};

/// How alike two texts are at least, as a share of their groups of characters, to be near-copies.
const ALIKE: f32 = 0.5;

/// With so many others a text is compared at most: enough to know a flood by.
pub const MOST_ALIKE: usize = 200;

/// A text as far as copies of it are concerned.
pub struct Print {
    /// Its signature.
    pub signature: Signature,
    /// The keys under which near-copies meet.
    pub bands: Vec<i64>,
}

/// A text of a batch, with what was published before the batch.
pub struct Candidate<'a> {
    /// The text.
    pub activity: &'a Activity,
    /// Its print.
    pub print: &'a Print,
    /// Earlier texts that meet it under a key, oldest first.
    pub known: Vec<Alike>,
}

impl Candidate<'_> {
    fn place(&self) -> (DateTime<Utc>, Uuid) {
        (self.activity.occurred_at, self.activity.subject_uuid())
    }

    /// Whether both meet under a key within a day.
    fn meets(&self, earlier: &Self) -> bool {
        let age = self.activity.occurred_at - earlier.activity.occurred_at;
        age < TimeDelta::days(1)
            && self.print.bands.iter().zip(&earlier.print.bands).any(|(one, other)| one == other)
    }
}

/// Where a text stands among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Names it; equal for near-copies.
    pub id: String,
    /// How many other texts of the last day it has.
    pub copies: u32,
    /// By how many other authors.
    pub authors: u32,
}

/// The print of a text; `None` if it is too short to be told apart from what everybody says.
pub fn print(text: &str) -> Option<Print> {
    fingerprint::text_hash(text)?;
    let signature = Signature::of(text)?;
    let bands = signature.bands().map(u64::cast_signed).collect();
    Some(Print { signature, bands })
}

/// The clusters of texts of different content, in their order: each among what is known and the earlier ones of the batch, as if they
/// had come one after the other in the order of their time.
pub fn clusters(texts: &[Candidate<'_>]) -> Vec<Cluster> {
    let mut order: Vec<(usize, &Candidate<'_>)> = texts.iter().enumerate().collect();
    order.sort_by_key(|(_, text)| text.place());
    let mut found: Vec<(usize, &Candidate<'_>, Cluster)> = Vec::with_capacity(texts.len());
    for (at, text) in order {
        let mut others = text.known.clone();
        let earlier = found.iter().filter(|(_, earlier, _)| text.meets(earlier));
        others.extend(earlier.map(|(_, earlier, cluster)| Alike {
            subject_id: earlier.activity.subject_uuid(),
            author_id: earlier.activity.author_id.0,
            signature: earlier.print.signature.to_bytes(),
            cluster_id: cluster.id.clone(),
            occurred_at: earlier.activity.occurred_at,
        }));
        others.sort_by_key(|other| (other.occurred_at, other.subject_id));
        others.truncate(MOST_ALIKE);
        found.push((at, text, cluster(text.print, text.activity, &others)));
    }
    found.sort_by_key(|(at, ..)| *at);
    found.into_iter().map(|(_, _, cluster)| cluster).collect()
}

/// The cluster of a text among others that met it under a key; `others` oldest first.
fn cluster(print: &Print, activity: &Activity, others: &[Alike]) -> Cluster {
    let copies: Vec<&Alike> = others
        .iter()
        .filter(|other| {
            Signature::from_bytes(&other.signature)
                .is_some_and(|signature| print.signature.similarity(&signature) >= ALIKE)
        })
        .collect();
    let subjects: BTreeSet<_> = copies.iter().map(|other| other.subject_id).collect();
    let authors: BTreeSet<UserId> = copies
        .iter()
        .map(|other| UserId(other.author_id))
        .filter(|author| *author != activity.author_id)
        .collect();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let id = copies
        .first()
        .map_or_else(|| activity.subject_uuid().to_string(), |first| first.cluster_id.clone());
    Cluster { id, copies: count(subjects.len()), authors: count(authors.len()) }
}
