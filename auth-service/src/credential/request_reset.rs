//! Asking for a code to choose a new password, as a durable job: the request is answered before anybody looks whether the
//! address is known.

use async_trait::async_trait;
use event_runtime::{ExecuteError, Expected, Job, JobOutcome, JobWorker};
use serde::{Deserialize, Serialize};
use shared_schemas::{EventId, envelope::Metadata};

use super::{
    aggregate::CredentialError,
    code::{self, Code, CodeDigest, Purpose},
    email::Email,
    register::RegisterError,
    sealed_job, view,
};
use crate::{
    accounts::Accounts,
    mail::{Letter, Mail},
};

/// The kind of job.
const JOB: &str = "request_reset";

/// Whose password was forgotten.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forgotten {
    /// The address, as written.
    pub email: String,
    /// The request.
    pub metadata: Metadata,
}

impl Forgotten {
    /// Asks for a code.
    ///
    /// # Errors
    ///
    /// [`RegisterError`].
    pub async fn enqueue(&self, accounts: &Accounts) -> Result<(), RegisterError> {
        sealed_job::enqueue(accounts, JOB, self).await
    }
}

/// Does `request_reset` jobs.
pub struct RequestReset {
    /// Where accounts are.
    pub accounts: Accounts,
}

#[async_trait]
impl JobWorker for RequestReset {
    fn kind(&self) -> &'static str {
        JOB
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        sealed_job::outcome(self.attempt(job).await)
    }
}

impl RequestReset {
    async fn attempt(&self, job: &Job) -> Result<(), RegisterError> {
        let accounts = &self.accounts;
        let forgotten: Forgotten = sealed_job::open(&accounts.keyring, JOB, job)?;
        let email = Email::parse(&forgotten.email)?;

        let work = accounts.store().begin().await?;
        // Without a verified account there is no password to forget; signing up again brings another code.
        let row = view::find_by_email(work.txn(), &email).await?;
        let Some(row) = row.filter(|row| row.email_verified) else { return Ok(()) };
        let (user_id, now) = (row.user_id(), accounts.now());
        let code = Code::random()?;
        let purpose = Purpose::ResetPassword;
        let digest = CodeDigest::of(&accounts.keyring, user_id, purpose, code.as_str());
        let issued = accounts
            .credentials
            .execute_in(&work, user_id, Expected::Any, &forgotten.metadata, |credential| {
                credential.issue_code(purpose, digest.clone(), now)
            })
            .await;
        match issued {
            Ok(_) => (),
            Err(ExecuteError::Refused(CredentialError::TooSoon)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let letter = Letter::ResetPassword { code: code.as_str().to_owned() };
        let mail = Mail { to: row.email.clone(), letter, expires_at: now + code::LIFE };
        let key = row.personal_key(&accounts.keyring)?;
        mail.enqueue(&work, user_id, &key, &EventId::new(now).to_string()).await?;
        Ok(work.commit().await?)
    }
}
