//! Which version judges, and why: one aggregate, so that there is one answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use content_screening::{AnalyserVersion, sha256};
use event_runtime::Aggregate;
use serde::{Deserialize, Serialize};
use shared_schemas::{CaseId, Event, Service, UserId};
use uuid::Uuid;

use super::{
    band::{Band, FlagRate},
    files::{FileHash, FileName},
};

/// So many versions are in shadow at most: each judges everything once more.
pub const SHADOWS: usize = 2;

/// So many judgements in shadow it takes to promote a version without force.
pub const ENOUGH: u64 = 200;

/// Names a version: SHA-256 over the hashes of its files, in lower-case hexadecimal. Every recorded judgement tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(String);

impl VersionId {
    /// The version that an analyser is of. The name of the code is no part of it.
    pub fn of(version: &AnalyserVersion) -> Self {
        let AnalyserVersion { name: _, rules_sha256, policy_sha256, model } = version;
        Self(sha256(format!("{rules_sha256}\n{policy_sha256}\n{model}").as_bytes()))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is named by 64 hexadecimal digits in lower case")]
pub struct NoVersionId;

impl FromStr for VersionId {
    type Err = NoVersionId;

    fn from_str(text: &str) -> Result<Self, NoVersionId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoVersionId)
        }
    }
}

/// Names the one aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionsId;

impl From<VersionsId> for Uuid {
    fn from(VersionsId: VersionsId) -> Self {
        CaseId::derive(&[b"analyser_version"]).0
    }
}

/// A fact about a version; private to moderation-service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum VersionEvent {
    /// Files were brought that hold; they are kept by their hashes.
    #[serde(rename = "analyser_version.proposed.v1")]
    Proposed(Proposed),
    /// From now on it judges everything, and nothing follows from that.
    #[serde(rename = "analyser_version.shadow_started.v1")]
    ShadowStarted {
        /// Which one.
        version: VersionId,
        /// Only instances that were started with its files judge by it.
        apart: bool,
    },
    /// It does so no longer.
    #[serde(rename = "analyser_version.shadow_ended.v1")]
    ShadowEnded {
        /// Which one.
        version: VersionId,
        /// Why.
        because: ShadowEnd,
    },
    /// From now on everything is decided by it.
    #[serde(rename = "analyser_version.promoted.v1")]
    Promoted(Promoted),
    /// It decides nothing any more.
    #[serde(rename = "analyser_version.rolled_back.v1")]
    RolledBack(RolledBack),
}

/// Files that were brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// The version.
    pub version: VersionId,
    /// Its files.
    pub files: BTreeMap<FileName, FileHash>,
    /// What it is for, in the words of whoever brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who brought it; absent if a program brought its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
}

/// Why a version is not in shadow any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShadowEnd {
    /// Somebody ended it.
    Stopped,
    /// It is active now.
    Promoted,
    /// Another instance came with other files.
    Replaced,
}

/// A version that became active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// Which one.
    pub version: VersionId,
    /// Which one was active before; absent for the one that each program was built with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<VersionId>,
    /// Where its flag rate has to stay; absent where nothing was known to take it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// What it did in shadow.
    pub in_shadow: FlagRate,
    /// Why it was promoted although it had not judged enough in shadow, or had been rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// By whom.
    pub by: UserId,
}

/// A version that is active no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// Which one.
    pub version: VersionId,
    /// Which one is active again; absent for the one that each program was built with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<VersionId>,
    /// What its last judgements came to.
    pub flag_rate: FlagRate,
    /// Where they had to stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// Why, for people.
    pub because: String,
    /// Who did it; absent if it was its flag rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
}

impl Event for VersionEvent {
    const CATEGORY: &'static str = "analyser_version";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        false
    }
}

/// Why a command about versions is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nobody brought it.
    #[error("there is no such version")]
    NotFound,
    /// It decides already.
    #[error("the version is active: it judges everything already")]
    Active,
    /// It does not decide.
    #[error("the version is not active")]
    NotActive,
    /// Too many shadows.
    #[error("{SHADOWS} versions are in shadow, which is the most; end one first")]
    TooManyShadows,
    /// It has not judged enough.
    #[error(
        "it has judged {judged} texts in shadow, and {ENOUGH} are needed to promote it without force"
    )]
    TooLittleShadow {
        /// So many.
        judged: u64,
    },
    /// It has failed before.
    #[error("it was rolled back before: only force promotes it again")]
    RolledBackBefore,
}

/// All versions, as far as commands need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    known: BTreeSet<VersionId>,
    /// Whether each is apart.
    shadows: BTreeMap<VersionId, bool>,
    /// Those that were promoted on top of each other; the last is active.
    line: Vec<VersionId>,
    fallen: BTreeSet<VersionId>,
}

impl Aggregate for Versions {
    type Id = VersionsId;
    type Event = VersionEvent;

    fn evolve(mut self, event: &VersionEvent) -> Self {
        match event {
            VersionEvent::Proposed(Proposed { version, .. }) => {
                self.known.insert(version.clone());
            }
            VersionEvent::ShadowStarted { version, apart } => {
                self.shadows.insert(version.clone(), *apart);
            }
            VersionEvent::ShadowEnded { version, .. } => {
                self.shadows.remove(version);
            }
            VersionEvent::Promoted(Promoted { version, .. }) => {
                self.fallen.remove(version);
                self.line.push(version.clone());
            }
            VersionEvent::RolledBack(RolledBack { version, .. }) => {
                self.line.pop();
                self.fallen.insert(version.clone());
            }
        }
        self
    }
}

impl Versions {
    /// The active version; `None` for the one that each program was built with.
    pub fn active(&self) -> Option<&VersionId> {
        self.line.last()
    }

    /// Notes a version, once.
    pub fn propose(&self, proposed: Proposed) -> Vec<VersionEvent> {
        if self.known.contains(&proposed.version) {
            return vec![];
        }
        vec![VersionEvent::Proposed(proposed)]
    }

    /// Lets a version judge in shadow. One that judges apart takes the place of another that did.
    ///
    /// # Errors
    ///
    /// [`VersionError`] for an unknown or active version, or if there are enough shadows.
    pub fn start_shadow(
        &self,
        version: &VersionId,
        apart: bool,
    ) -> Result<Vec<VersionEvent>, VersionError> {
        self.must_be_known(version)?;
        if self.active() == Some(version) {
            return Err(VersionError::Active);
        }
        if self.shadows.contains_key(version) {
            return Ok(vec![]);
        }
        let replaced = self.shadows.iter().filter(|(_, is_apart)| apart && **is_apart);
        let mut events: Vec<_> = replaced
            .map(|(version, _)| VersionEvent::ShadowEnded {
                version: version.clone(),
                because: ShadowEnd::Replaced,
            })
            .collect();
        if self.shadows.len() - events.len() >= SHADOWS {
            return Err(VersionError::TooManyShadows);
        }
        events.push(VersionEvent::ShadowStarted { version: version.clone(), apart });
        Ok(events)
    }

    /// Ends the shadow of a version, if it is in shadow.
    ///
    /// # Errors
    ///
    /// [`VersionError::NotFound`].
    pub fn end_shadow(&self, version: &VersionId) -> Result<Vec<VersionEvent>, VersionError> {
        self.must_be_known(version)?;
        Ok(self.shadow_ended(version, ShadowEnd::Stopped).into_iter().collect())
    }

    /// Makes a version active; `previous` is filled in here. One that is active already stays so.
    ///
    /// # Errors
    ///
    /// [`VersionError`] for an unknown version, and without force for one that has not judged enough or was rolled back.
    pub fn promote(&self, promoted: Promoted) -> Result<Vec<VersionEvent>, VersionError> {
        self.must_be_known(&promoted.version)?;
        if self.active() == Some(&promoted.version) {
            return Ok(vec![]);
        }
        if promoted.forced.is_none() {
            if self.fallen.contains(&promoted.version) {
                return Err(VersionError::RolledBackBefore);
            }
            let judged = promoted.in_shadow.judged;
            if judged < ENOUGH {
                return Err(VersionError::TooLittleShadow { judged });
            }
        }
        let ended = self.shadow_ended(&promoted.version, ShadowEnd::Promoted);
        let promoted = Promoted { previous: self.active().cloned(), ..promoted };
        Ok(std::iter::once(VersionEvent::Promoted(promoted)).chain(ended).collect())
    }

    /// Takes a promotion back; `to` is filled in here.
    ///
    /// # Errors
    ///
    /// [`VersionError`] if the version is unknown or not active.
    pub fn roll_back(&self, rolled_back: RolledBack) -> Result<Vec<VersionEvent>, VersionError> {
        self.must_be_known(&rolled_back.version)?;
        if self.active() != Some(&rolled_back.version) {
            return Err(VersionError::NotActive);
        }
        let to = self.line.iter().rev().nth(1).cloned();
        Ok(vec![VersionEvent::RolledBack(RolledBack { to, ..rolled_back })])
    }

    fn must_be_known(&self, version: &VersionId) -> Result<(), VersionError> {
        if self.known.contains(version) { Ok(()) } else { Err(VersionError::NotFound) }
    }

    fn shadow_ended(&self, version: &VersionId, because: ShadowEnd) -> Option<VersionEvent> {
        self.shadows
            .contains_key(version)
            .then(|| VersionEvent::ShadowEnded { version: version.clone(), because })
    }
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
