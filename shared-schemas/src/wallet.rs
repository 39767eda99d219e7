//! What can happen to a person's wallet. Recorded by the minting worker and read by nobody else.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Event, Service};

/// A fact about the wallet of one person; its id is the person's. All of them are private to the minting worker: which address
/// is whose becomes public with the person's first token and not before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum WalletEvent {
    /// The person named an address and was asked to sign for it.
    #[serde(rename = "wallet.challenged.v1")]
    Challenged {
        /// The address with its EIP-55 checksum.
        account: String,
        /// What makes the text to sign the only one of its kind: 32 lower-case hexadecimal digits.
        nonce: String,
        /// When a signature comes too late.
        expires_at: DateTime<Utc>,
    },
    /// The person signed: the address is theirs, and tokens go there from now on.
    #[serde(rename = "wallet.proven.v1")]
    Proven {
        /// The address with its EIP-55 checksum.
        account: String,
    },
    /// The person took the address back.
    #[serde(rename = "wallet.removed.v1")]
    Removed {},
}

impl Event for WalletEvent {
    const CATEGORY: &'static str = "wallet";
    const SERVICE: Service = Service::Minting;

    fn is_public(&self) -> bool {
        false
    }
}
