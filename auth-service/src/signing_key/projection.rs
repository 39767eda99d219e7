//! Signing key events become the published set of keys.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::signing_key::SigningKeyEvent;

/// Moves the `signing_key` table with every signing key event.
pub struct SigningKeyReadModel;

#[async_trait]
impl InlineProjection<SigningKeyEvent> for SigningKeyReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["signing_key"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<SigningKeyEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let statement = match &recorded.event {
            SigningKeyEvent::Activated { public_key } => raw_sql!(
                Postgres,
                "INSERT INTO signing_key (id, public_key, activated_at) VALUES ({id}, {public_key}, {at})"
            ),
            SigningKeyEvent::Retired {} => {
                raw_sql!(Postgres, "UPDATE signing_key SET retired_at = {at} WHERE id = {id}")
            }
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}
