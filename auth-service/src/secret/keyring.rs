//! The key that comes from outside, and one derived key per use.

use std::str::FromStr;

use aws_lc_rs::{
    error::Unspecified,
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::seal::{KEY_BYTES, SealingKey, SecretError};

/// `KEY_ENCRYPTION_KEY`: 32 bytes in standard base64. There is no default.
#[derive(Clone)]
pub struct KeyEncryptionKey(Zeroizing<[u8; KEY_BYTES]>);

impl FromStr for KeyEncryptionKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = STANDARD.decode(text).ok().map(Zeroizing::new);
        let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok());
        bytes.map(|bytes| Self(Zeroizing::new(bytes))).ok_or("it is not 32 bytes in base64")
    }
}

/// The derived keys.
#[derive(Debug)]
pub struct Keyring {
    /// Encrypts personal keys.
    pub personal_keys: SealingKey,
    /// Encrypts private signing keys.
    pub signing_keys: SealingKey,
    /// Encrypts the payloads of jobs about people who have no account yet.
    pub jobs: SealingKey,
    codes: hmac::Key,
    refresh_tokens: hmac::Key,
    addresses: hmac::Key,
}

impl Keyring {
    /// Derives the keys.
    ///
    /// # Errors
    ///
    /// [`SecretError::Unexpected`] if the library refuses, which it does not for keys of this length.
    pub fn new(root: &KeyEncryptionKey) -> Result<Self, SecretError> {
        Ok(Self {
            personal_keys: SealingKey::new(&*derive(root, "personal keys")?)?,
            signing_keys: SealingKey::new(&*derive(root, "signing keys")?)?,
            jobs: SealingKey::new(&*derive(root, "jobs")?)?,
            codes: mac_key(root, "codes")?,
            refresh_tokens: mac_key(root, "refresh tokens")?,
            addresses: mac_key(root, "addresses")?,
        })
    }

    /// What is stored of a code. Without the key, the eight digits cannot be found by trying them all.
    pub fn code_digest(&self, parts: [&str; 3]) -> [u8; 32] {
        let text = parts.join("|");
        first_bytes(&hmac::sign(&self.codes, text.as_bytes()))
    }

    /// The one successor of a refresh token.
    pub fn successor(&self, refresh_token: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(first_bytes(&hmac::sign(&self.refresh_tokens, refresh_token)))
    }

    /// A name for an address that does not tell the address.
    pub fn address_digest(&self, address: &str) -> [u8; 32] {
        first_bytes(&hmac::sign(&self.addresses, address.as_bytes()))
    }
}

fn mac_key(root: &KeyEncryptionKey, usage: &str) -> Result<hmac::Key, SecretError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &*derive(root, usage)?))
}

fn derive(root: &KeyEncryptionKey, usage: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SecretError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Salt::new(HKDF_SHA256, b"peerlink auth")
        .extract(&*root.0)
        .expand(&[usage.as_bytes()], HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut()))
        .map_err(|Unspecified| SecretError::Unexpected)?;
    Ok(key)
}

fn first_bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::new(&STANDARD.encode([7; KEY_BYTES]).parse().unwrap()).unwrap()
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert!(STANDARD.encode([7; 31]).parse::<KeyEncryptionKey>().is_err());
        assert!("password".parse::<KeyEncryptionKey>().is_err());
    }

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let keyring = keyring();

        let sealed = keyring.jobs.seal("x", b"secret").unwrap();

        assert!(keyring.personal_keys.open("x", &sealed).is_err());
        assert_ne!(keyring.successor(&[0; 32]).as_slice(), keyring.address_digest("").as_slice());
    }

    #[test]
    fn a_refresh_token_has_one_successor() {
        assert_eq!(keyring().successor(&[1; 32]), keyring().successor(&[1; 32]));
        assert_ne!(keyring().successor(&[1; 32]), keyring().successor(&[2; 32]));
    }
}
