//! Connection events become the lists of people who are connected.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::connection::ConnectionEvent;

/// Moves the `connection` table with every connection event.
pub struct ConnectionReadModel;

#[async_trait]
impl InlineProjection<ConnectionEvent> for ConnectionReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["connection"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ConnectionEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let statement = match &recorded.event {
            ConnectionEvent::Established { initiator_id, other_id } => {
                let (one, other) = (*initiator_id, *other_id);
                raw_sql!(
                    Postgres,
                    "INSERT INTO connection (id, user_id, other_id, connected_at)
                       VALUES ({id}, {one}, {other}, {at}), ({id}, {other}, {one}, {at})"
                )
            }
            ConnectionEvent::Ended { .. } => {
                raw_sql!(Postgres, "DELETE FROM connection WHERE id = {id}")
            }
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}
