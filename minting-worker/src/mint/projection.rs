//! Moves the list of mints with every event.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::mint::{MintEvent, MintState};

use super::view::columns;

/// Fills the table `mint`.
#[derive(Clone, Copy)]
pub struct MintReadModel;

#[async_trait]
impl InlineProjection<MintEvent> for MintReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["mint"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<MintEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        match &recorded.event {
            MintEvent::Requested { subject, author_id } => {
                let (subject_kind, subject_id) = columns(*subject);
                let (author_id, state) = (*author_id, MintState::ReadyForMinting.as_str());
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO mint (id, subject_kind, subject_id, author_id, state, requested_at, updated_at)
                       VALUES ({id}, {subject_kind}, {subject_id}, {author_id}, {state}, {at}, {at})
                       ON CONFLICT ON CONSTRAINT mint_pkey
                         DO UPDATE SET state = EXCLUDED.state, updated_at = EXCLUDED.updated_at"
                ))
                .await?;
            }
            MintEvent::Withdrawn {} => {
                let state = MintState::Withdrawn.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET state = {state}, updated_at = {at} WHERE id = {id}"
                ))
                .await?;
            }
        }
        Ok(())
    }
}
