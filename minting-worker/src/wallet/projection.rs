//! Moves the table of wallets.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::wallet::WalletEvent;

/// Fills the table `wallet`.
#[derive(Clone, Copy)]
pub struct WalletReadModel;

#[async_trait]
impl InlineProjection<WalletEvent> for WalletReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["wallet"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<WalletEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        match &recorded.event {
            WalletEvent::Challenged { .. } => {}
            WalletEvent::Proven { account } => {
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO wallet (user_id, address, proven_at) VALUES ({id}, {account}, {at})
                       ON CONFLICT ON CONSTRAINT wallet_pkey
                         DO UPDATE SET address = EXCLUDED.address, proven_at = EXCLUDED.proven_at"
                ))
                .await?;
            }
            WalletEvent::Removed {} => {
                txn.execute_raw(raw_sql!(Postgres, "DELETE FROM wallet WHERE user_id = {id}"))
                    .await?;
            }
        }
        Ok(())
    }
}
