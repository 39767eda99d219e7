//! Proving to own an address.

use std::time::Duration;

use event_runtime::{Expected, UnitOfWork};
use service_kit::Problem;
use shared_schemas::{UserId, envelope::Metadata, user::Role};
use tokio::time::{Instant, sleep_until};

use super::{
    aggregate::CredentialError,
    code::{CodeDigest, Purpose},
    email::Email,
    view,
};
use crate::{accounts::Accounts, user::aggregate::UserError};

/// How long a refusal takes at least: longer than it takes to find an account and count a try.
const REFUSAL: Duration = Duration::from_millis(150);

/// Says no after the same time whether there is an account whose codes had to be looked at or not, so that a watch tells
/// nobody who has one.
pub(super) async fn refuse_late<T>(
    attempt: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let earliest = Instant::now() + REFUSAL;
    let result = attempt.await;
    if result.is_err() {
        sleep_until(earliest).await;
    }
    result
}

impl Accounts {
    /// Makes the account of an address active. The address, the code, or the account may be wrong: one answer for all.
    ///
    /// # Errors
    ///
    /// [`CredentialError::InvalidCode`] as a problem.
    pub async fn verify_email(
        &self,
        email: &str,
        code: &str,
        metadata: Metadata,
    ) -> Result<(), Problem> {
        refuse_late(self.verify_with(email, code, metadata)).await
    }

    async fn verify_with(
        &self,
        email: &str,
        code: &str,
        metadata: Metadata,
    ) -> Result<(), Problem> {
        let (email, row) = self.find_for_code(email).await?;
        let user_id = row.user_id();
        let metadata = Metadata { actor: Some(user_id), ..metadata };
        let work = self.store().begin().await?;
        self.lock(&work, user_id).await?;
        let work = self.spend_code(work, user_id, Purpose::VerifyEmail, code, &metadata).await?;
        let lists = [(&self.moderators, Role::Moderator), (&self.analysts, Role::Analyst)];
        let listed = lists.into_iter().filter(|(addresses, _)| addresses.contains(&email));
        let granted: Vec<Role> = listed.map(|(_, role)| role).collect();
        self.users
            .execute_in(&work, user_id, Expected::Any, &metadata, |user| user.verify(&granted))
            .await
            .map_err(Problem::from)?;
        Ok(work.commit().await?)
    }

    /// The account of an address that somebody has a code for.
    pub(super) async fn find_for_code(
        &self,
        email: &str,
    ) -> Result<(Email, view::CredentialRow), Problem> {
        let invalid = || Problem::from(CredentialError::InvalidCode);
        let email = Email::parse(email).map_err(|_malformed| invalid())?;
        let row = view::find_by_email(self.store().db(), &email).await?;
        row.map(|row| (email, row)).ok_or_else(invalid)
    }

    /// Counts a try and compares; a wrong code's try is committed, a right code is used in the unit of work that goes on.
    pub(super) async fn spend_code(
        &self,
        work: UnitOfWork,
        user_id: UserId,
        purpose: Purpose,
        code: &str,
        metadata: &Metadata,
    ) -> Result<UnitOfWork, Problem> {
        let (now, digest) = (self.now(), CodeDigest::of(&self.keyring, user_id, purpose, code));
        self.credentials
            .execute_in(&work, user_id, Expected::Any, metadata, |credential| {
                credential.try_code(purpose, now)
            })
            .await?;
        let used = self
            .credentials
            .execute_in(&work, user_id, Expected::Any, metadata, |credential| {
                credential.use_code(purpose, &digest)
            })
            .await;
        if let Err(refused) = used {
            work.commit().await?;
            return Err(refused.into());
        }
        Ok(work)
    }

    /// Keeps everybody else from changing an account until the unit of work ends.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn lock(
        &self,
        work: &UnitOfWork,
        user_id: UserId,
    ) -> Result<(), event_runtime::ExecuteError<UserError>> {
        self.users
            .execute_in(work, user_id, Expected::Any, &Metadata::default(), |_| Ok(vec![]))
            .await
            .map(drop)
    }
}
