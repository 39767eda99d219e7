//! Keys per account. Deleting one erases what was encrypted under it, wherever it was copied.

use sea_orm::ConnectionTrait;
use serde::{Serialize, de::DeserializeOwned};
use shared_schemas::UserId;

use super::{
    keyring::Keyring,
    seal::{self, KEY_BYTES, Sealed, SealingKey, SecretError},
    view,
};

/// The key of one account's personal facts.
#[derive(Debug)]
pub struct PersonalKey {
    user_id: UserId,
    key: SealingKey,
}

impl PersonalKey {
    /// Makes and stores the key of a new account.
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub async fn create(
        connection: &impl ConnectionTrait,
        keyring: &Keyring,
        user_id: UserId,
    ) -> Result<Self, SecretError> {
        let bytes = seal::random::<KEY_BYTES>()?;
        let wrapped = keyring.personal_keys.seal(&purpose(user_id, "key"), bytes.as_ref())?;
        view::insert_personal_key(connection, user_id, &wrapped).await?;
        Ok(Self { user_id, key: SealingKey::new(bytes.as_ref())? })
    }

    /// The key of an account; `None` when its owner erased it.
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub async fn load(
        connection: &impl ConnectionTrait,
        keyring: &Keyring,
        user_id: UserId,
    ) -> Result<Option<Self>, SecretError> {
        match view::personal_key(connection, user_id).await? {
            Some(wrapped) => Self::unwrap(keyring, user_id, &wrapped).map(Some),
            None => Ok(None),
        }
    }

    /// The key of an account from the row that holds it.
    ///
    /// # Errors
    ///
    /// [`SecretError::DoesNotOpen`].
    pub fn unwrap(
        keyring: &Keyring,
        user_id: UserId,
        wrapped: &Sealed,
    ) -> Result<Self, SecretError> {
        let bytes = keyring.personal_keys.open(&purpose(user_id, "key"), wrapped)?;
        Ok(Self { user_id, key: SealingKey::new(&bytes)? })
    }

    /// Encrypts a fact; `field` says which one, and no other will open as it.
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub fn seal(
        &self,
        field: &str,
        fact: &(impl Serialize + ?Sized),
    ) -> Result<Sealed, SecretError> {
        let plain = serde_json::to_vec(fact).map_err(unexpected)?;
        self.key.seal(&purpose(self.user_id, field), &plain)
    }

    /// Decrypts a fact.
    ///
    /// # Errors
    ///
    /// [`SecretError::DoesNotOpen`].
    pub fn open<T: DeserializeOwned>(&self, field: &str, fact: &Sealed) -> Result<T, SecretError> {
        let plain = self.key.open(&purpose(self.user_id, field), fact)?;
        serde_json::from_slice(&plain).map_err(unexpected)
    }
}

fn purpose(user_id: UserId, field: &str) -> String {
    format!("{user_id}|{field}")
}

/// What serde says of a secret may quote it.
fn unexpected(_: serde_json::Error) -> SecretError {
    SecretError::Unexpected
}
