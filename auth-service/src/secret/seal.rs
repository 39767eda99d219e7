//! Authenticated encryption of small values.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of an AES-256 key.
pub const KEY_BYTES: usize = 32;

/// A value encrypted with AES-256-GCM: nonce, ciphertext and tag in base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

/// Why a secret could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// It was encrypted under another key, for another purpose, or changed since.
    #[error("a stored secret does not open; was KEY_ENCRYPTION_KEY changed?")]
    DoesNotOpen,
    /// It opened, and is not what it should be.
    #[error("a stored secret holds something else than expected")]
    Unexpected,
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
}

/// A key that encrypts values, each for a named purpose.
#[derive(Debug)]
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    /// The key of these bytes.
    ///
    /// # Errors
    ///
    /// [`SecretError::Unexpected`] unless there are 32 of them.
    pub fn new(bytes: &[u8]) -> Result<Self, SecretError> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes)
            .map(Self)
            .map_err(|Unspecified| SecretError::Unexpected)
    }

    /// Encrypts a value; it opens for the same `purpose` alone, so that it cannot be put in another one's place.
    ///
    /// # Errors
    ///
    /// [`SecretError::NoRandomness`].
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Sealed, SecretError> {
        let mut in_out = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose), &mut in_out)
            .map_err(|Unspecified| SecretError::NoRandomness)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut in_out);
        Ok(Sealed(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts a value.
    ///
    /// # Errors
    ///
    /// [`SecretError::DoesNotOpen`] for another key, another purpose or a changed value.
    pub fn open(&self, purpose: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.0).ok();
        let (nonce, ciphertext) = bytes
            .as_deref()
            .and_then(|bytes| bytes.split_first_chunk::<NONCE_LEN>())
            .ok_or(SecretError::DoesNotOpen)?;
        let mut in_out = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::from(nonce), Aad::from(purpose), &mut in_out)
            .map_err(|Unspecified| SecretError::DoesNotOpen)?
            .len();
        in_out.truncate(length);
        Ok(in_out)
    }
}

/// Random bytes of the system.
///
/// # Errors
///
/// [`SecretError::NoRandomness`].
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, SecretError> {
    let mut bytes = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(bytes.as_mut()).map_err(|Unspecified| SecretError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(&[byte; KEY_BYTES]).unwrap()
    }

    #[test]
    fn a_value_opens_with_its_key_and_for_its_purpose_alone() {
        let sealed = key(1).seal("a", b"secret").unwrap();

        assert_eq!(key(1).open("a", &sealed).unwrap().as_slice(), b"secret");
        assert!(key(2).open("a", &sealed).is_err());
        assert!(key(1).open("b", &sealed).is_err());
    }

    #[test]
    fn the_same_value_is_never_sealed_to_the_same_text() {
        assert_ne!(key(1).seal("a", b"secret").unwrap(), key(1).seal("a", b"secret").unwrap());
    }

    #[test]
    fn a_text_that_was_never_sealed_does_not_open() {
        for text in ["", "AAAA", "not base64!", &"A".repeat(100)] {
            assert!(key(1).open("a", &Sealed(text.to_owned())).is_err(), "{text}");
        }
    }
}
