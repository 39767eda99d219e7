//! Near-copies: texts that say almost the same, whoever publishes them.

use std::collections::BTreeSet;

use content_analysis::near_copy::Signature;
use shared_schemas::UserId;

use super::{fingerprint, projection::Activity, view::Alike};

/// How alike two texts are at least, as a share of their groups of characters, to be near-copies.
const ALIKE: f32 = 0.5;

/// A text as far as copies of it are concerned.
pub struct Print {
    /// Its signature.
    pub signature: Signature,
    /// The keys under which near-copies meet.
    pub bands: Vec<i64>,
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

/// The cluster of a text among others that met it under a key; `others` oldest first.
pub fn cluster(print: &Print, activity: &Activity, others: &[Alike]) -> Cluster {
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
