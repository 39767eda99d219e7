//! Closing an account: what it has told others ends, and what it has told us is erased.

use event_runtime::Expected;
use service_kit::{Identity, Problem};
use shared_schemas::{ConnectionId, session::RevocationReason};

use super::aggregate::User;
use crate::{
    accounts::Accounts,
    connection::{self, aggregate::ConnectionError},
    credential::{aggregate::Credential, email::Email, view as credentials},
    secret,
    session::throttle::Throttle,
};

impl Accounts {
    /// Closes the caller's account in one transaction: sessions and connections end, everybody is told, and the key of the
    /// personal facts is deleted, so that they can no longer be read from any event, job or backup of events.
    ///
    /// # Errors
    ///
    /// 404 if it is closed already, 412 if it is not at the expected version.
    pub async fn delete(&self, caller: &Identity, expected: Expected) -> Result<(), Problem> {
        let (user_id, metadata) = (caller.user_id(), caller.metadata());
        let work = self.store().begin().await?;
        self.expect(&work, user_id, expected).await?;
        if let Some(row) = credentials::find(work.txn(), user_id).await?
            && let Ok(email) = Email::parse(&row.email)
        {
            Throttle::of(&self.keyring, &email).forget(work.txn()).await?;
        }
        self.users.execute_in(&work, user_id, Expected::Any, &metadata, User::delete).await?;
        self.credentials
            .execute_in(&work, user_id, Expected::Any, &metadata, Credential::erase)
            .await?;
        let reason = RevocationReason::AccountClosed;
        self.revoke_all(&work, user_id, None, reason, &metadata).await?;
        for other in connection::view::others(work.txn(), user_id).await? {
            let id = ConnectionId::between(user_id, other);
            self.connections
                .execute_in(&work, id, Expected::Any, &metadata, |connection| {
                    // The other one may have ended it in this very moment.
                    Ok::<_, ConnectionError>(connection.end(user_id).unwrap_or_default())
                })
                .await?;
        }
        secret::view::destroy_personal_key(work.txn(), user_id).await?;
        Ok(work.commit().await?)
    }
}
