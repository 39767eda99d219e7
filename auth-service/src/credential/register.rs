//! Signing up, as a durable job: the request is answered before anybody looks whether the address is known.

use async_trait::async_trait;
use event_runtime::{ExecuteError, Expected, Job, JobOutcome, JobWorker, UnitOfWork};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use shared_schemas::{EventId, UserId, envelope::Metadata, post::Category};

use super::{
    aggregate::{CredentialError, Registration},
    code::{self, Code, CodeDigest, Purpose},
    email::{Email, EmailError},
    event::field,
    sealed_job,
    view::{self, CredentialRow},
};
use crate::{
    accounts::Accounts,
    mail::{Letter, Mail},
    secret::{PersonalKey, SecretError},
    user::aggregate::{User, UserError},
};

/// The kind of job.
const JOB: &str = "register";

/// What somebody signs up with.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignUp {
    /// The address, as written.
    pub email: String,
    /// The password's hash.
    pub password: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// What the person cares about.
    pub interests: Vec<Category>,
    /// The request.
    pub metadata: Metadata,
}

/// Why an account was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Another account got the address in this very moment; the next attempt sees it.
    #[error("the address was taken meanwhile")]
    AddressTaken,
    /// The payload is none of this worker's.
    #[error("the payload does not fit")]
    Payload(#[from] serde_json::Error),
    /// The address is none; it was checked before.
    #[error("the address {0}")]
    Email(#[from] EmailError),
    /// A secret could not be made or read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The account could not be recorded.
    #[error("the account could not be recorded")]
    User(#[from] ExecuteError<UserError>),
    /// The credential could not be recorded.
    #[error("the credential could not be recorded")]
    Credential(#[from] ExecuteError<CredentialError>),
}

impl From<DbErr> for RegisterError {
    fn from(error: DbErr) -> Self {
        Self::Secret(error.into())
    }
}

impl SignUp {
    /// Asks for the account.
    ///
    /// # Errors
    ///
    /// [`RegisterError`].
    pub async fn enqueue(&self, accounts: &Accounts) -> Result<(), RegisterError> {
        sealed_job::enqueue(accounts, JOB, self).await
    }
}

/// Does `register` jobs.
pub struct Register {
    /// Where accounts are.
    pub accounts: Accounts,
}

#[async_trait]
impl JobWorker for Register {
    fn kind(&self) -> &'static str {
        JOB
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        sealed_job::outcome(self.attempt(job).await)
    }
}

impl Register {
    async fn attempt(&self, job: &Job) -> Result<(), RegisterError> {
        let sign_up: SignUp = sealed_job::open(&self.accounts.keyring, JOB, job)?;
        let email = Email::parse(&sign_up.email)?;

        let work = self.accounts.store().begin().await?;
        match view::find_by_email(work.txn(), &email).await? {
            None => self.begin(&work, &sign_up, &email).await?,
            Some(row) if row.email_verified => self.remind(&work, &row).await?,
            Some(row) => self.begin_again(&work, &sign_up, &row).await?,
        }
        Ok(work.commit().await?)
    }

    /// A new account.
    async fn begin(
        &self,
        work: &UnitOfWork,
        sign_up: &SignUp,
        email: &Email,
    ) -> Result<(), RegisterError> {
        let accounts = &self.accounts;
        let now = accounts.now();
        let user_id = UserId::new(now);
        let metadata = Metadata { actor: Some(user_id), ..sign_up.metadata.clone() };
        let key = PersonalKey::create(work.txn(), &accounts.keyring, user_id).await?;
        accounts
            .users
            .execute_in(work, user_id, Expected::New, &metadata, |user| {
                user.register(&sign_up.interests)
            })
            .await?;
        let code = Code::random()?;
        let registration = self.registration(user_id, &key, sign_up, email.written(), &code)?;
        let registered = accounts
            .credentials
            .execute_in(work, user_id, Expected::New, &metadata, |credential| {
                credential.register(registration.clone(), now)
            })
            .await;
        if let Err(ExecuteError::Storage(error)) = &registered
            && view::is_address_taken(error)
        {
            return Err(RegisterError::AddressTaken);
        }
        registered?;
        self.send_code(work, user_id, &key, email.written(), &code).await
    }

    /// Another sign-up before the address was verified: the latest one counts, with its code.
    async fn begin_again(
        &self,
        work: &UnitOfWork,
        sign_up: &SignUp,
        row: &CredentialRow,
    ) -> Result<(), RegisterError> {
        let accounts = &self.accounts;
        let (user_id, now) = (row.user_id(), accounts.now());
        let metadata = Metadata { actor: Some(user_id), ..sign_up.metadata.clone() };
        let key = row.personal_key(&accounts.keyring)?;
        let unverified = accounts
            .users
            .execute_in(work, user_id, Expected::Any, &metadata, User::be_unverified)
            .await;
        match unverified {
            Ok(_) => (),
            // Verified after the row was read: from now on, no sign-up changes anything.
            Err(ExecuteError::Refused(UserError::AlreadyVerified)) => {
                return self.remind(work, row).await;
            }
            Err(error) => return Err(error.into()),
        }
        let code = Code::random()?;
        let registration = self.registration(user_id, &key, sign_up, &row.email, &code)?;
        let registered = accounts
            .credentials
            .execute_in(work, user_id, Expected::Any, &metadata, |credential| {
                credential.register_again(registration.clone(), now)
            })
            .await;
        match registered {
            Ok(_) => (),
            // The code of a moment ago is still on its way.
            Err(ExecuteError::Refused(CredentialError::TooSoon)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        accounts
            .users
            .execute_in(work, user_id, Expected::Any, &metadata, |user| {
                user.change_interests(&sign_up.interests)
            })
            .await?;
        self.send_code(work, user_id, &key, &row.email, &code).await
    }

    /// Tells the owner of a verified account that there is one, at most once an hour.
    async fn remind(&self, work: &UnitOfWork, row: &CredentialRow) -> Result<(), RegisterError> {
        let now = self.accounts.now();
        let key = row.personal_key(&self.accounts.keyring)?;
        let hour = now.timestamp().div_euclid(3_600);
        let job_key = format!("already_registered:{}:{hour}", row.user_id());
        let mail = Mail {
            to: row.email.clone(),
            letter: Letter::AlreadyRegistered,
            expires_at: now + chrono::TimeDelta::hours(1),
        };
        Ok(mail.enqueue(work, row.user_id(), &key, &job_key).await?)
    }

    fn registration(
        &self,
        user_id: UserId,
        key: &PersonalKey,
        sign_up: &SignUp,
        email: &str,
        code: &Code,
    ) -> Result<Registration, SecretError> {
        let keyring = &self.accounts.keyring;
        Ok(Registration {
            email: key.seal(field::EMAIL, email)?,
            password: key.seal(field::PASSWORD, &sign_up.password)?,
            first_name: key.seal(field::FIRST_NAME, &sign_up.first_name)?,
            last_name: key.seal(field::LAST_NAME, &sign_up.last_name)?,
            code: CodeDigest::of(keyring, user_id, Purpose::VerifyEmail, code.as_str()),
        })
    }

    async fn send_code(
        &self,
        work: &UnitOfWork,
        user_id: UserId,
        key: &PersonalKey,
        to: &str,
        code: &Code,
    ) -> Result<(), RegisterError> {
        let now = self.accounts.now();
        let letter = Letter::VerifyEmail { code: code.as_str().to_owned() };
        let mail = Mail { to: to.to_owned(), letter, expires_at: now + code::LIFE };
        Ok(mail.enqueue(work, user_id, key, &EventId::new(now).to_string()).await?)
    }
}
