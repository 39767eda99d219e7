//! Secrets at rest: what is encrypted, under which key, and how it is forgotten.
//!
//! One key comes from outside, `KEY_ENCRYPTION_KEY`. Every use of it has a key of its own, derived from it (HKDF-SHA256,
//! RFC 5869), so that no two uses can be played against each other. Personal facts are encrypted under a key per account,
//! which is itself encrypted; deleting that key erases the facts from all events at once.

pub mod keyring;
pub mod personal;
pub mod seal;
pub mod view;

pub use keyring::{KeyEncryptionKey, Keyring};
pub use personal::PersonalKey;
pub use seal::{Sealed, SealingKey, SecretError};
