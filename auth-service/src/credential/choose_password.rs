//! Another password: with the old one, or with a code by mail.

use event_runtime::{Expected, UnitOfWork};
use service_kit::{Caller, Problem};
use shared_schemas::{EventId, SessionId, UserId, envelope::Metadata, session::RevocationReason};

use super::{
    aggregate::CredentialError,
    code::{self, Purpose},
    event::field,
    password::Password,
    verify::refuse_late,
    view::{self, CredentialRow},
};
use crate::{
    accounts::Accounts,
    mail::{Letter, Mail},
    session::{sign_in::SignInError, throttle::Throttle},
    user::aggregate::UserError,
};

impl Accounts {
    /// Replaces the caller's password and ends all other sessions.
    ///
    /// # Errors
    ///
    /// [`SignInError::InvalidCredentials`] or [`SignInError::Throttled`] for a wrong current password, otherwise a problem.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: &str,
        new: &str,
    ) -> Result<Result<(), SignInError>, Problem> {
        let user_id = caller.user_id();
        let row = view::find(self.store().db(), user_id).await?;
        let row = row.ok_or(UserError::NotFound)?;
        let new = choose(new, &row.email, &[&row.first_name, &row.last_name])?;
        let verified = match self.authenticate(&row.email, Password::typed(current)).await {
            Ok(row) => row,
            Err(refused) => return Ok(Err(refused)),
        };
        let hash = self.passwords.hash(new).await?;
        let metadata = caller.metadata();
        let work = self.store().begin().await?;
        self.lock(&work, user_id).await?;
        self.credentials
            .execute_in(&work, user_id, Expected::Any, &metadata, |credential| {
                credential.still_has(&verified.password())
            })
            .await?;
        self.replace(&work, &verified, &hash, Some(caller.session_id()), &metadata).await?;
        Ok(Ok(work.commit().await?))
    }

    /// Replaces a password with the code that was mailed for it, and ends all sessions.
    ///
    /// # Errors
    ///
    /// [`CredentialError::InvalidCode`] as a problem, or what is wrong with the new password.
    pub async fn reset_password(
        &self,
        email: &str,
        code: &str,
        new: &str,
        metadata: Metadata,
    ) -> Result<(), Problem> {
        // Judged and hashed before anybody looks whether the address is known, so that neither tells.
        let new = choose(new, email, &[])?;
        let hash = self.passwords.hash(new).await?;
        refuse_late(self.reset_to(email, code, &hash, metadata)).await
    }

    async fn reset_to(
        &self,
        email: &str,
        code: &str,
        hash: &str,
        metadata: Metadata,
    ) -> Result<(), Problem> {
        let (_, row) = self.find_for_code(email).await?;
        let user_id = row.user_id();
        let metadata = Metadata { actor: Some(user_id), ..metadata };
        let work = self.store().begin().await?;
        self.lock(&work, user_id).await?;
        let work = self.spend_code(work, user_id, Purpose::ResetPassword, code, &metadata).await?;
        self.replace(&work, &row, hash, None, &metadata).await?;
        Ok(work.commit().await?)
    }

    async fn replace(
        &self,
        work: &UnitOfWork,
        row: &CredentialRow,
        hash: &str,
        keep: Option<SessionId>,
        metadata: &Metadata,
    ) -> Result<(), Problem> {
        let (user_id, now): (UserId, _) = (row.user_id(), self.now());
        let key = row.personal_key(&self.keyring)?;
        let password = key.seal(field::PASSWORD, hash)?;
        self.credentials
            .execute_in(work, user_id, Expected::Any, metadata, |credential| {
                credential.change_password(password.clone())
            })
            .await?;
        let reason = RevocationReason::PasswordChanged;
        self.revoke_all(work, user_id, keep, reason, metadata).await?;
        if let Ok(email) = super::email::Email::parse(&row.email) {
            Throttle::of(&self.keyring, &email).forget(work.txn()).await?;
        }
        let mail = Mail {
            to: row.email.clone(),
            letter: Letter::PasswordChanged,
            expires_at: now + chrono::TimeDelta::days(1),
        };
        mail.enqueue(work, user_id, &key, &EventId::new(now).to_string()).await?;
        Ok(())
    }
}

/// A new password for an address; a text that is none has no local part.
pub(super) fn choose(
    password: &str,
    email: &str,
    names: &[&str],
) -> Result<Password, super::password::WeakPassword> {
    let local_part = email.trim().rsplit_once('@').map_or("", |(local, _)| local).to_lowercase();
    Password::chosen(password, &local_part, names)
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::NotFound => Self::not_found("user"),
            CredentialError::InvalidCode => Self::new(
                poem::http::StatusCode::BAD_REQUEST,
                "invalid-code",
                "The code is not good",
                Some(format!(
                    "the code is wrong, older than {} minutes, or was entered too often",
                    code::LIFE.num_minutes()
                )),
            ),
            CredentialError::Exists
            | CredentialError::TooSoon
            | CredentialError::PasswordChanged => {
                Self::conflict("credential-changed", error.to_string())
            }
        }
    }
}
