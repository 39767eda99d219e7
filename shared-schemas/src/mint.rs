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

choices! {
    /// Why a mint was given up until somebody acts.
    ParkReason {
        /// The owner's address is a contract that refuses tokens, or uses up all gas that it is given.
        RecipientRefuses = "RECIPIENT_REFUSES",
        /// The token exists with another digest.
        DifferentContent = "DIFFERENT_CONTENT",
        /// The lane's signer may not mint.
        Unauthorized = "UNAUTHORIZED",
        /// Nobody may mint: the contract is paused.
        ContractPaused = "CONTRACT_PAUSED",
        /// The contract refused it for a reason of its own.
        Reverted = "REVERTED",
        /// The digest or the owner's address is none that a contract could take.
        Malformed = "MALFORMED",
        /// An administrator stopped it until further notice.
        Operator = "OPERATOR",
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
    /// The content was deleted, archived or hidden, or the mint was cancelled, before anything was signed.
    #[serde(rename = "mint.withdrawn.v1")]
    Withdrawn {},
    /// The metadata is kept in enough places, and its author's wallet is known.
    #[serde(rename = "mint.pinned.v1")]
    Pinned {
        /// The metadata's `CIDv1` in base32 (raw codec, sha2-256).
        cid: String,
        /// The 32 bytes of the CID's digest: `0x` and 64 lower-case hexadecimal digits.
        digest: String,
        /// Who gets the token: an address with its EIP-55 checksum, `0x` and 40 hexadecimal digits.
        owner: String,
    },
    /// A lane took it into a batch.
    #[serde(rename = "mint.planned.v1")]
    Planned {
        /// The signer's address.
        lane: String,
        /// The token that it will be: `0x` and 64 lower-case hexadecimal digits.
        erc1155_id: String,
    },
    /// A transaction that mints it was signed and kept; it can be sent at any moment from now on. Recorded again when a
    /// transaction of a higher fee takes its place under the same nonce.
    #[serde(rename = "mint.signed.v1")]
    Signed {
        /// The transaction's hash.
        hash: String,
        /// The signer's nonce.
        nonce: u64,
        /// Which transaction under this nonce, from 1.
        attempt: u32,
        /// The most that it pays for a unit of gas, in wei.
        max_fee: u64,
    },
    /// A node took the transaction.
    #[serde(rename = "mint.broadcast.v1")]
    Broadcast {
        /// The transaction's hash.
        hash: String,
    },
    /// The token is in a block.
    #[serde(rename = "mint.mined.v1")]
    Mined {
        /// The transaction that minted it; not ours if the token was there before.
        hash: String,
        /// The block's height.
        block: u64,
        /// The block's hash.
        block_hash: String,
    },
    /// The block is not part of the chain any more; the transaction is sent again.
    #[serde(rename = "mint.reorged.v1")]
    Reorged {
        /// The hash of the block that is gone.
        block_hash: String,
    },
    /// The block is deep enough, and final where the chain says what is.
    #[serde(rename = "mint.final.v1")]
    Final {
        /// The block's height.
        block: u64,
        /// The block's hash.
        block_hash: String,
    },
    /// Given up until somebody acts.
    #[serde(rename = "mint.parked.v1")]
    Parked {
        /// Why.
        reason: ParkReason,
        /// What the chain answered, decoded.
        detail: String,
    },
    /// Somebody asked for another try, or the transaction that was to mint it was spent on nothing.
    #[serde(rename = "mint.retried.v1")]
    Retried {},
    /// The content went away when it was too late to stop the mint: the token stays, its content is not shown.
    #[serde(rename = "mint.tombstoned.v1")]
    Tombstoned {},
    /// The content of a token with a tombstone is public again: the tombstone is taken back.
    #[serde(rename = "mint.restored.v1")]
    Restored {},
}

impl MintEvent {
    /// Where the mint stands after this; `None` if it stands where it stood.
    pub fn leads_to(&self) -> Option<MintState> {
        match self {
            Self::Requested { .. } | Self::Retried {} => Some(MintState::ReadyForMinting),
            Self::Withdrawn {} => Some(MintState::Withdrawn),
            Self::Planned { .. }
            | Self::Broadcast { .. }
            | Self::Mined { .. }
            | Self::Reorged { .. } => Some(MintState::MintingInProgress),
            Self::Final { .. } => Some(MintState::MintingCompleted),
            Self::Parked { .. } => Some(MintState::MintingFailed),
            Self::Pinned { .. } | Self::Signed { .. } | Self::Tombstoned {} | Self::Restored {} => {
                None
            }
        }
    }
}

impl Event for MintEvent {
    const CATEGORY: &'static str = "mint";
    const SERVICE: Service = Service::Minting;
}
