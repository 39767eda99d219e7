//! The keys that sign access tokens. Recorded by auth-service; with them every service verifies tokens on its own.

use serde::{Deserialize, Serialize};

use crate::{Event, Service};

/// A fact about one signing key; its id is the `kid` of the tokens it signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum SigningKeyEvent {
    /// Tokens signed by this key are good from now on.
    #[serde(rename = "signing_key.activated.v1")]
    Activated {
        /// The Ed25519 public key, 32 bytes, base64url without padding: `x` of a JWK (RFC 8037 §2).
        public_key: String,
    },
    /// Tokens signed by this key are no longer good.
    #[serde(rename = "signing_key.retired.v1")]
    Retired {},
}

impl Event for SigningKeyEvent {
    const CATEGORY: &'static str = "signing_key";
    const SERVICE: Service = Service::Auth;
}
