//! Session events become the table that says which sessions of a person are live.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::session::SessionEvent;

/// Moves the `session` table with every session event.
pub struct SessionReadModel;

#[async_trait]
impl InlineProjection<SessionEvent> for SessionReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["session"]
    }

    /// What [`ForgetOldSessions`](super::sweep::ForgetOldSessions) takes away.
    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        &[("session", "started_at < now() - interval '31 days'")]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<SessionEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let statement = match &recorded.event {
            SessionEvent::Started { user_id } => {
                let user_id = *user_id;
                raw_sql!(
                    Postgres,
                    "INSERT INTO session (id, user_id, started_at) VALUES ({id}, {user_id}, {at})"
                )
            }
            SessionEvent::Revoked { .. } => {
                raw_sql!(Postgres, "UPDATE session SET ended_at = {at} WHERE id = {id}")
            }
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}
