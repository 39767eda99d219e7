//! Codes that are sent by mail: eight digits, good for ten minutes, five tries, one use.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use shared_schemas::UserId;
use zeroize::Zeroizing;

use crate::secret::{Keyring, SecretError, seal};

/// How long a code is good (ASVS 6.5.5: at most ten minutes).
pub const LIFE: TimeDelta = TimeDelta::minutes(10);

/// How often a code may be entered.
pub const TRIES: u8 = 5;

/// How long after a code the next one may be sent.
pub const PAUSE: TimeDelta = TimeDelta::seconds(60);

/// There are a hundred million codes.
const CODES: u64 = 100_000_000;

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Proves to own the address.
    VerifyEmail,
    /// Proves it again, to choose a new password.
    ResetPassword,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// What is stored of a code: HMAC-SHA256 over code, purpose and user, in base64url.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeDigest(String);

impl CodeDigest {
    /// The digest of a code that somebody entered or that is about to be sent.
    pub fn of(keyring: &Keyring, user_id: UserId, purpose: Purpose, code: &str) -> Self {
        let digest = keyring.code_digest([code, purpose.as_str(), &user_id.to_string()]);
        Self(URL_SAFE_NO_PAD.encode(digest))
    }
}

/// Takes the same time wherever two digests differ.
impl PartialEq for CodeDigest {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for CodeDigest {}

/// A code before it is sent.
pub struct Code(Zeroizing<String>);

impl Code {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`SecretError::NoRandomness`].
    pub fn random() -> Result<Self, SecretError> {
        // The largest multiple of the number of codes; above it, some codes would be likelier than others.
        let fair = u64::MAX - u64::MAX % CODES;
        loop {
            let number = u64::from_be_bytes(*seal::random::<8>()?);
            if number < fair {
                return Ok(Self(Zeroizing::new(format!("{:08}", number % CODES))));
            }
        }
    }

    /// The eight digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const USER: UserId = UserId(Uuid::from_u128(1));

    fn keyring() -> Keyring {
        let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        Keyring::new(&key.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_code_has_eight_digits() {
        for _ in 0..100 {
            let code = Code::random().unwrap();

            assert_eq!(code.as_str().len(), 8);
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_digit()));
        }
    }

    #[test]
    fn a_digest_is_of_one_code_for_one_person_and_purpose() {
        let keyring = keyring();
        let digest = CodeDigest::of(&keyring, USER, Purpose::VerifyEmail, "12345678");
        let other = UserId(Uuid::from_u128(2));

        assert_eq!(digest, CodeDigest::of(&keyring, USER, Purpose::VerifyEmail, "12345678"));
        assert_ne!(digest, CodeDigest::of(&keyring, USER, Purpose::VerifyEmail, "12345679"));
        assert_ne!(digest, CodeDigest::of(&keyring, USER, Purpose::ResetPassword, "12345678"));
        assert_ne!(digest, CodeDigest::of(&keyring, other, Purpose::VerifyEmail, "12345678"));
    }
}
