//! What can happen to a session. Recorded by auth-service; every service listens for revocations.

use serde::{Deserialize, Serialize};

use crate::{Event, Service, UserId, choice::choices};

choices! {
    /// Why a session ended before its time.
    RevocationReason {
        /// The person signed out.
        SignedOut = "SIGNED_OUT",
        /// The password was changed or reset.
        PasswordChanged = "PASSWORD_CHANGED",
        /// A refresh token was used twice: somebody else may hold it.
        TokenReused = "TOKEN_REUSED",
        /// The account was closed, muted or banned.
        AccountClosed = "ACCOUNT_CLOSED",
    }
}

/// A fact about one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum SessionEvent {
    /// Somebody signed in.
    #[serde(rename = "session.started.v1")]
    Started {
        /// Who.
        user_id: UserId,
    },
    /// No token of this session is good any more.
    #[serde(rename = "session.revoked.v1")]
    Revoked {
        /// Whose session it was.
        user_id: UserId,
        /// Why.
        reason: RevocationReason,
    },
}

impl Event for SessionEvent {
    const CATEGORY: &'static str = "session";
    const SERVICE: Service = Service::Auth;
}
