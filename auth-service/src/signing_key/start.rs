//! A signing key at the first start, and the same one at every other.

use aws_lc_rs::{
    error::Unspecified,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use event_runtime::{ExecuteError, Expected, Streams, UnitOfWork};
use shared_schemas::{SigningKeyId, envelope::Metadata};
use zeroize::Zeroizing;

use super::{
    aggregate::{SigningKey, SigningKeyError},
    view,
};
use crate::{
    secret::{Keyring, SecretError},
    session::token::Signer,
};

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// The private key cannot be made, stored or read.
    #[error("the signing key cannot be used")]
    Secret(#[from] SecretError),
    /// The new key could not be announced.
    #[error("the signing key could not be announced")]
    Announce(#[from] ExecuteError<SigningKeyError>),
}

impl From<sea_orm::DbErr> for NoKey {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Secret(error.into())
    }
}

/// Hands the newest active key to the signer; makes and announces one if there is none. Replicas that start together take
/// turns, so there is one.
///
/// # Errors
///
/// [`NoKey`].
pub async fn ready(
    keys: Streams<SigningKey>,
    keyring: &Keyring,
    signer: &Signer,
) -> Result<(), NoKey> {
    let work = keys.store().begin().await?;
    view::lock(work.txn()).await?;
    let id = match view::active(work.txn()).await?.first() {
        Some(key) => SigningKeyId(key.id),
        None => make(&keys, keyring, &work).await?,
    };
    let sealed = view::secret(work.txn(), id).await?;
    let secret = keyring.signing_keys.open(&id.to_string(), &sealed)?;
    work.commit().await?;
    signer.sign_with(id, &secret);
    Ok(())
}

async fn make(
    keys: &Streams<SigningKey>,
    keyring: &Keyring,
    work: &UnitOfWork,
) -> Result<SigningKeyId, NoKey> {
    let random = |Unspecified| SecretError::NoRandomness;
    let pair = Ed25519KeyPair::generate().map_err(random)?;
    let secret = Zeroizing::new(pair.to_pkcs8v1().map_err(random)?.as_ref().to_vec());
    let public_key = URL_SAFE_NO_PAD.encode(pair.public_key());

    let id = SigningKeyId::new(keys.store().clock().now());
    let sealed = keyring.signing_keys.seal(&id.to_string(), &secret)?;
    view::insert_secret(work.txn(), id, &sealed).await?;
    keys.execute_in(work, id, Expected::New, &Metadata::default(), |key| key.activate(&public_key))
        .await?;
    tracing::info!(key.id = %id, "made a signing key");
    Ok(id)
}
