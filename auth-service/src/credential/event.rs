//! What can happen to a credential. Private: none of it leaves this service.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, Service};

use super::code::{CodeDigest, Purpose};
use crate::secret::Sealed;

/// A fact about one account's credential; the aggregate's id is the user's. Everything sealed is so under the personal key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum CredentialEvent {
    /// Somebody signed up.
    #[serde(rename = "credential.registered.v1")]
    Registered {
        /// The address, as its owner wrote it.
        email: Sealed,
        /// An Argon2id hash in PHC form.
        password: Sealed,
        /// 1 to 50 characters.
        first_name: Sealed,
        /// 1 to 50 characters.
        last_name: Sealed,
    },
    /// The password is another one.
    #[serde(rename = "credential.password_changed.v1")]
    PasswordChanged {
        /// As in [`Self::Registered`].
        password: Sealed,
    },
    /// The person is called otherwise.
    #[serde(rename = "credential.renamed.v1")]
    Renamed {
        /// As in [`Self::Registered`].
        first_name: Sealed,
        /// As in [`Self::Registered`].
        last_name: Sealed,
    },
    /// A code was made and is on its way; earlier ones of the purpose are void.
    #[serde(rename = "credential.code_issued.v1")]
    CodeIssued {
        /// What it is good for.
        purpose: Purpose,
        /// What is stored of it.
        digest: CodeDigest,
        /// When it was made.
        issued_at: DateTime<Utc>,
        /// Until when it is good.
        expires_at: DateTime<Utc>,
    },
    /// Somebody entered a code. Recorded before it is compared, so that no two guesses count as one.
    #[serde(rename = "credential.code_tried.v1")]
    CodeTried {
        /// What it was entered for.
        purpose: Purpose,
    },
    /// The code was right; it is void now.
    #[serde(rename = "credential.code_used.v1")]
    CodeUsed {
        /// What it was good for.
        purpose: Purpose,
    },
    /// The account was closed and its personal key deleted: nothing sealed in this stream can be read any more.
    #[serde(rename = "credential.erased.v1")]
    Erased {},
}

impl Event for CredentialEvent {
    const CATEGORY: &'static str = "credential";
    const SERVICE: Service = Service::Auth;

    fn is_public(&self) -> bool {
        false
    }
}

/// The names of sealed fields, each of which opens under its own name alone.
pub mod field {
    /// The address.
    pub const EMAIL: &str = "email";
    /// The Argon2id hash.
    pub const PASSWORD: &str = "password";
    /// The first name.
    pub const FIRST_NAME: &str = "first_name";
    /// The last name.
    pub const LAST_NAME: &str = "last_name";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_form_ever_written_is_still_read_and_written_alike() {
        // Append only: these forms are in stores, for ever.
        let forms = [
            r#"{"type":"credential.registered.v1","data":{"email":"AA","password":"AA","first_name":"AA","last_name":"AA"}}"#,
            r#"{"type":"credential.password_changed.v1","data":{"password":"AA"}}"#,
            r#"{"type":"credential.renamed.v1","data":{"first_name":"AA","last_name":"AA"}}"#,
            r#"{"type":"credential.code_issued.v1","data":{"purpose":"verify_email","digest":"AA","issued_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:10:00Z"}}"#,
            r#"{"type":"credential.code_tried.v1","data":{"purpose":"reset_password"}}"#,
            r#"{"type":"credential.code_used.v1","data":{"purpose":"reset_password"}}"#,
            r#"{"type":"credential.erased.v1","data":{}}"#,
        ];
        for form in forms {
            let raw: shared_schemas::RawEvent = serde_json::from_str(form).unwrap();

            let event = CredentialEvent::decode(raw.clone()).unwrap().unwrap();

            assert_eq!(event.encode().unwrap(), raw);
            assert!(!event.is_public(), "{form}");
        }
    }
}
