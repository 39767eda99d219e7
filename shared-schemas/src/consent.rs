//! What a person lets the platform put on a chain. Recorded by the minting worker and read by nobody else.

use serde::{Deserialize, Serialize};

use crate::{Event, Service, choice::choices};

choices! {
    /// Which of a person's posts and comments become tokens.
    MintingWish {
        /// None.
        Nothing = "NOTHING",
        /// Those for which the person said so when publishing them.
        Ask = "ASK",
        /// Those that are published from now on, unless the person said otherwise when publishing one.
        Everything = "EVERYTHING",
    }
}

choices! {
    /// What a token says of the text.
    TextWish {
        /// A salted digest, by which the author alone can prove the text.
        Commitment = "COMMITMENT",
        /// The text itself, for ever.
        FullText = "FULL_TEXT",
    }
}

/// A fact about what one person agreed to; its id is the person's. Private to the minting worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum ConsentEvent {
    /// The person decided, for what has not been minted yet.
    #[serde(rename = "consent.set.v1")]
    Set {
        /// Which posts and comments.
        minting: MintingWish,
        /// What of the text.
        text: TextWish,
    },
}

impl Event for ConsentEvent {
    const CATEGORY: &'static str = "consent";
    const SERVICE: Service = Service::Minting;

    fn is_public(&self) -> bool {
        false
    }
}
