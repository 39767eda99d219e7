//! What can happen to a lane: what signs mints. Recorded by the minting worker.

use serde::{Deserialize, Serialize};

use crate::{Event, LaneId, Service, choice::choices};

choices! {
    /// Why a lane signs nothing.
    PauseReason {
        /// Somebody asked for it.
        Operator = "OPERATOR",
        /// A transaction that the lane did not sign used one of its nonces: somebody else has the key.
        ForeignNonce = "FOREIGN_NONCE",
    }
}

/// A fact about one lane: a signer on a chain; its id is [`LaneId::of`] the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum LaneEvent {
    /// It signs nothing new; what is signed is still sent and watched.
    #[serde(rename = "lane.paused.v1")]
    Paused {
        /// The signer's address.
        signer: String,
        /// Why.
        reason: PauseReason,
    },
    /// It signs again.
    #[serde(rename = "lane.resumed.v1")]
    Resumed {
        /// The signer's address.
        signer: String,
    },
    /// What it may spend.
    #[serde(rename = "lane.limited.v1")]
    Limited {
        /// The signer's address.
        signer: String,
        /// It waits while a unit of gas costs more than this, in wei.
        hold_above: Option<u64>,
        /// It waits when it has spent this in 24 hours, in millionths of the chain's coin.
        daily_budget: Option<u64>,
    },
}

impl Event for LaneEvent {
    const CATEGORY: &'static str = "lane";
    const SERVICE: Service = Service::Minting;
}

impl LaneId {
    /// The lane of a signer; `address` in any spelling of its digits.
    pub fn of(chain_id: u64, address: &str) -> Self {
        Self::derive(&[&chain_id.to_be_bytes(), address.to_ascii_lowercase().as_bytes()])
    }
}
