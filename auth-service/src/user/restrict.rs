//! Puts into force what moderation decides about people.

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, RecordedEvent, UnitOfWork};
use shared_schemas::{
    Event, Service, UserId, session::RevocationReason, standing::StandingEvent, user::AccountStatus,
};

use super::aggregate::UserError;
use crate::accounts::Accounts;

/// Records the restriction on the account, from which every service learns it. Whoever is suspended or banned loses all
/// sessions in the same transaction; who signs in after it gets a session that is good for an appeal.
pub struct Restriction {
    /// The accounts.
    pub accounts: Accounts,
}

#[async_trait]
impl Reactor for Restriction {
    fn group(&self) -> &'static str {
        "auth.restriction"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[StandingEvent::CATEGORY]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(standing) = event.open::<StandingEvent>()? else { return Ok(()) };
        let StandingEvent::Restricted { status, until } = standing.event else { return Ok(()) };
        let (user_id, metadata) = (UserId(standing.aggregate_id), standing.consequence());
        self.accounts
            .users
            .execute_in(work, user_id, Expected::Any, &metadata, |user| {
                Ok::<_, UserError>(user.restrict(status, until))
            })
            .await?;
        match status {
            AccountStatus::Suspended | AccountStatus::Banned => {
                let reason = RevocationReason::AccountClosed;
                self.accounts
                    .revoke_all(work, user_id, None, reason, &metadata)
                    .await
                    .map_err(|error| ApplyError::Retry(Box::new(error)))
            }
            AccountStatus::Active | AccountStatus::Inactive | AccountStatus::Muted => Ok(()),
        }
    }
}
