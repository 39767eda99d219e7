//! Who signs: a key of this process, or a [signer elsewhere](crate::remote).

use std::path::Path;

use async_trait::async_trait;
use ethers_core::{
    types::{
        Address, H256, Signature as RawSignature, U256, transaction::eip2718::TypedTransaction,
    },
    utils::keccak256,
};
use ethers_signers::{LocalWallet, Signer as _, WalletError};

use crate::transaction::Signed;

/// A signature: `r`, `s`, and which of two keys made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// As big-endian bytes.
    pub r: [u8; 32],
    /// As big-endian bytes, in the lower half of its range (EIP-2).
    pub s: [u8; 32],
    /// 0 or 1.
    pub is_odd: bool,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[error("the signer fails")]
pub struct SignerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Something that has a key and signs with it.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The account of the key.
    fn address(&self) -> Address;

    /// Signs a digest.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if the key cannot be reached.
    async fn sign_digest(&self, digest: H256) -> Result<Signature, SignerError>;

    /// Signs a transaction: its bytes as they are sent, and their hash.
    ///
    /// # Errors
    ///
    /// As [`Signer::sign_digest`].
    async fn sign_transaction(
        &self,
        transaction: &TypedTransaction,
    ) -> Result<Signed, SignerError> {
        let signature = self.sign_digest(transaction.sighash()).await?;
        let raw = transaction.rlp_signed(&RawSignature {
            r: U256::from_big_endian(&signature.r),
            s: U256::from_big_endian(&signature.s),
            v: u64::from(signature.is_odd),
        });
        Ok(Signed { hash: H256(keccak256(&raw)), raw: raw.to_vec() })
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be opened with this password, or is no keystore of version 3.
    #[error("the keystore cannot be opened: {0}")]
    Keystore(String),
    /// Not 64 hexadecimal digits, or not a number that is a key.
    #[error("it is no key: 64 hexadecimal digits are needed")]
    Malformed(#[source] Option<WalletError>),
}

/// A key in the memory of this process.
pub struct LocalSigner(LocalWallet);

impl LocalSigner {
    /// Opens a keystore file of version 3. Takes about a second of computing: not on a thread that serves others.
    ///
    /// # Errors
    ///
    /// [`KeyError::Keystore`].
    pub fn open(keystore: &Path, password: &str) -> Result<Self, KeyError> {
        LocalWallet::decrypt_keystore(keystore, password)
            .map(Self)
            .map_err(|error| KeyError::Keystore(error.to_string()))
    }

    /// A key as it is, for development: whoever sees the configuration has it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`].
    pub fn from_hex(key: &str) -> Result<Self, KeyError> {
        let bytes = zeroize::Zeroizing::new(crate::unhex(key).ok_or(KeyError::Malformed(None))?);
        // A shorter slice would panic.
        if bytes.len() != 32 {
            return Err(KeyError::Malformed(None));
        }
        LocalWallet::from_bytes(&bytes).map(Self).map_err(|error| KeyError::Malformed(Some(error)))
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.0.address()
    }

    async fn sign_digest(&self, digest: H256) -> Result<Signature, SignerError> {
        let signature = self.0.sign_hash(digest).map_err(|error| SignerError(Box::new(error)))?;
        let (mut r, mut s) = ([0; 32], [0; 32]);
        signature.r.to_big_endian(&mut r);
        signature.s.to_big_endian(&mut s);
        // Ethereum's own signatures say 27 and 28.
        Ok(Signature { r, s, is_odd: signature.v == 28 })
    }
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalSigner").field(&self.0.address()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Web3 Secret Storage definition.
    const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
        "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
        "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    #[test]
    fn a_keystore_opens_with_its_password_and_with_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.json");
        std::fs::write(&file, KEYSTORE).unwrap();

        let opened = LocalSigner::open(&file, "testpassword").unwrap();

        assert_eq!(opened.address(), LocalSigner::from_hex(KEY).unwrap().address());
        assert!(LocalSigner::open(&file, "testpassword ").is_err());
    }
}
