//! Keeps what operators have ordered of lanes.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::lane::LaneEvent;

/// Fills the table `lane_order`.
#[derive(Clone, Copy)]
pub struct LaneReadModel;

#[async_trait]
impl InlineProjection<LaneEvent> for LaneReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["lane_order"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<LaneEvent>,
    ) -> Result<(), DbErr> {
        let id = recorded.aggregate_id;
        match &recorded.event {
            LaneEvent::Paused { signer, reason } => {
                let reason = reason.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO lane_order (id, address, paused, pause_reason) VALUES ({id}, {signer}, true, {reason})
                       ON CONFLICT ON CONSTRAINT lane_order_pkey
                         DO UPDATE SET paused = true, pause_reason = EXCLUDED.pause_reason"
                ))
                .await?;
            }
            LaneEvent::Resumed { signer } => {
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO lane_order (id, address, paused) VALUES ({id}, {signer}, false)
                       ON CONFLICT ON CONSTRAINT lane_order_pkey DO UPDATE SET paused = false, pause_reason = NULL"
                ))
                .await?;
            }
            LaneEvent::Limited { signer, hold_above, daily_budget } => {
                let hold_above = hold_above.and_then(|wei| i64::try_from(wei).ok());
                let daily_budget = daily_budget.and_then(|amount| i64::try_from(amount).ok());
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO lane_order (id, address, paused, hold_above, daily_budget)
                       VALUES ({id}, {signer}, false, {hold_above}, {daily_budget})
                       ON CONFLICT ON CONSTRAINT lane_order_pkey
                         DO UPDATE SET hold_above = EXCLUDED.hold_above, daily_budget = EXCLUDED.daily_budget"
                ))
                .await?;
            }
        }
        Ok(())
    }
}
