//! What can happen to the mint of a post or comment. Recorded by the minting worker.

use serde::{Deserialize, Serialize};

use crate::{Event, MintId, Service, UserId, choice::choices, moderation::Subject};

choices! {
    /// Where a mint stands.
    MintState {
        /// Waits for its turn.
        ReadyForMinting = "READY_FOR_MINTING",
        /// On its way to the chain.
        MintingInProgress = "MINTING_IN_PROGRESS",
        /// Given up after its attempts.
        MintingFailed = "MINTING_FAILED",
        /// On the chain.
        MintingCompleted = "MINTING_COMPLETED",
        /// The content went away before its turn came.
        Withdrawn = "WITHDRAWN",
    }
}

impl MintId {
    /// The one mint that a post or comment can have.
    pub fn of(subject: Subject) -> Self {
        Self::derive(&[subject.as_bytes()])
    }
}

/// A fact about one mint; its id is [`MintId::of`] its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum MintEvent {
    /// The content is public: it can be minted. Recorded again when withdrawn content comes back.
    #[serde(rename = "mint.requested.v1")]
    Requested {
        /// What is to be minted.
        subject: Subject,
        /// Whose token it will be.
        author_id: UserId,
    },
    /// The content was deleted, archived or hidden before its turn came.
    #[serde(rename = "mint.withdrawn.v1")]
    Withdrawn {},
}

impl Event for MintEvent {
    const CATEGORY: &'static str = "mint";
    const SERVICE: Service = Service::Minting;
}
