//! User events become the age of accounts.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{Event, Service, UserId, user::UserEvent};

/// Keeps since when accounts exist, and forgets those that are closed. Ordered: it follows the events of one account.
pub struct AccountProjection;

#[async_trait]
impl Projection for AccountProjection {
    fn group(&self) -> &'static str {
        "moderation.account"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Auth]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[UserEvent::CATEGORY]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["known_user"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let Some(user) = event.open::<UserEvent>()? else { return Ok(()) };
        let id = UserId(user.aggregate_id);
        match user.event {
            UserEvent::Registered { .. } => insert(txn, id, user.occurred_at).await?,
            UserEvent::Deleted {} => delete(txn, id).await?,
            UserEvent::EmailVerified {}
            | UserEvent::InterestsChanged { .. }
            | UserEvent::RoleGranted { .. }
            | UserEvent::StatusChanged { .. } => (),
        }
        Ok(())
    }
}

async fn insert(
    txn: &DatabaseTransaction,
    user_id: UserId,
    registered_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO known_user (user_id, registered_at) VALUES ({user_id}, {registered_at})
           ON CONFLICT ON CONSTRAINT known_user_pkey DO NOTHING"
    ))
    .await?;
    Ok(())
}

async fn delete(txn: &DatabaseTransaction, user_id: UserId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "DELETE FROM known_user WHERE user_id = {user_id}")).await?;
    Ok(())
}
