//! Jobs about people who may have no account: the whole payload is sealed until the job is done, and forgotten then.

use event_runtime::{Job, JobOutcome};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared_schemas::EventId;
use zeroize::Zeroizing;

use super::register::RegisterError;
use crate::{
    accounts::Accounts,
    secret::{Keyring, Sealed, SecretError},
};

#[derive(Serialize, Deserialize)]
struct Payload {
    sealed: Sealed,
}

/// Asks for a job.
pub(super) async fn enqueue(
    accounts: &Accounts,
    kind: &str,
    request: &(impl Serialize + Sync),
) -> Result<(), RegisterError> {
    let key = EventId::new(accounts.now()).to_string();
    let plain = Zeroizing::new(serde_json::to_vec(request)?);
    let sealed = accounts.keyring.jobs.seal(&purpose(kind, &key), &plain)?;
    let work = accounts.store().begin().await?;
    work.enqueue(kind, &key, &Payload { sealed }).await?;
    Ok(work.commit().await?)
}

/// What a job is about.
pub(super) fn open<T: DeserializeOwned>(
    keyring: &Keyring,
    kind: &str,
    job: &Job,
) -> Result<T, RegisterError> {
    let payload: Payload = serde_json::from_value(job.payload.clone())?;
    let plain = keyring.jobs.open(&purpose(kind, &job.key), &payload.sealed)?;
    Ok(serde_json::from_slice(&plain)?)
}

/// What an attempt came to: what cannot be read now can never be read.
pub(super) fn outcome(result: Result<(), RegisterError>) -> JobOutcome {
    match result {
        Ok(()) => JobOutcome::Done,
        Err(
            error @ (RegisterError::Payload(_)
            | RegisterError::Email(_)
            | RegisterError::Secret(SecretError::DoesNotOpen | SecretError::Unexpected)),
        ) => JobOutcome::Fail(Box::new(error)),
        Err(error) => JobOutcome::Retry(Box::new(error)),
    }
}

fn purpose(kind: &str, key: &str) -> String {
    format!("{kind}|{key}")
}
