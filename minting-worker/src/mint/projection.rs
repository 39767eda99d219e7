//! Moves the list of mints with every event.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::mint::{MintEvent, MintState};
use uuid::Uuid;

use super::{bulk::projection as bulk, view::columns};

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
        let row = Row { txn, id: recorded.aggregate_id, at: recorded.occurred_at };
        match &recorded.event {
            MintEvent::Requested { subject, author_id } => {
                let (subject_kind, subject_id) = columns(*subject);
                let (id, at, author_id) = (row.id, row.at, *author_id);
                let state = MintState::ReadyForMinting.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO mint (id, subject_kind, subject_id, author_id, state, stage, requested_at, updated_at)
                       VALUES ({id}, {subject_kind}, {subject_id}, {author_id}, {state}, 'REQUESTED', {at}, {at})
                       ON CONFLICT ON CONSTRAINT mint_pkey
                         DO UPDATE SET state = EXCLUDED.state, stage = EXCLUDED.stage, updated_at = EXCLUDED.updated_at,
                           cid = NULL, digest = NULL, owner = NULL"
                ))
                .await?;
            }
            MintEvent::Withdrawn {} => row.moved(MintState::Withdrawn, "WITHDRAWN").await?,
            MintEvent::Pinned { cid, digest, owner } => {
                let (id, at) = (row.id, row.at);
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET stage = 'PINNED', cid = {cid}, digest = {digest}, owner = {owner}, updated_at = {at}
                       WHERE id = {id}"
                ))
                .await?;
            }
            MintEvent::Planned { lane, erc1155_id: token_id } => {
                let (id, at) = (row.id, row.at);
                let state = MintState::MintingInProgress.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET state = {state}, stage = 'PLANNED', lane = {lane}, token_id = {token_id}, updated_at = {at}
                       WHERE id = {id}"
                ))
                .await?;
            }
            MintEvent::Signed { hash, nonce, attempt, .. } => {
                let (id, at, nonce, attempt) =
                    (row.id, row.at, stored(*nonce), i64::from(*attempt));
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET stage = 'SIGNED', tx_hash = {hash}, nonce = {nonce}, attempt = {attempt}, updated_at = {at}
                       WHERE id = {id}"
                ))
                .await?;
            }
            MintEvent::Broadcast { .. } => {
                row.moved(MintState::MintingInProgress, "BROADCAST").await?;
            }
            MintEvent::Mined { hash, block, block_hash } => {
                let (id, at, block) = (row.id, row.at, stored(*block));
                let state = MintState::MintingInProgress.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET state = {state}, stage = 'MINED', tx_hash = {hash}, block = {block},
                         block_hash = {block_hash}, updated_at = {at}
                       WHERE id = {id}"
                ))
                .await?;
            }
            MintEvent::Reorged { .. } => {
                let (id, at) = (row.id, row.at);
                let state = MintState::MintingInProgress.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET state = {state}, stage = 'BROADCAST', block = NULL, block_hash = NULL, updated_at = {at}
                       WHERE id = {id}"
                ))
                .await?;
            }
            MintEvent::Final { .. } => row.moved(MintState::MintingCompleted, "FINAL").await?,
            MintEvent::Parked { reason, detail } => {
                let (id, at, reason) = (row.id, row.at, reason.as_str());
                let state = MintState::MintingFailed.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET state = {state}, stage = 'PARKED', park_reason = {reason}, park_detail = {detail},
                         updated_at = {at}
                       WHERE id = {id}"
                ))
                .await?;
            }
            MintEvent::Retried {} => row.released().await?,
            MintEvent::Tombstoned {} => {
                let (id, at) = (row.id, row.at);
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE mint SET tombstoned = true, updated_at = {at} WHERE id = {id}"
                ))
                .await?;
            }
        }
        Ok(())
    }

    async fn apply_all(
        &self,
        txn: &DatabaseTransaction,
        recorded: &[Recorded<MintEvent>],
    ) -> Result<(), DbErr> {
        bulk::apply_all(self, txn, recorded).await
    }
}

/// A mint at the moment of an event.
struct Row<'a> {
    txn: &'a DatabaseTransaction,
    id: Uuid,
    at: DateTime<Utc>,
}

impl Row<'_> {
    /// It waits again, as if no lane had ever had it.
    async fn released(&self) -> Result<(), DbErr> {
        let (id, at, state) = (self.id, self.at, MintState::ReadyForMinting.as_str());
        self.txn
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE mint SET state = {state}, stage = CASE WHEN digest IS NULL THEN 'REQUESTED' ELSE 'PINNED' END,
                     lane = NULL, token_id = NULL, tx_hash = NULL, nonce = NULL, attempt = NULL, block = NULL,
                     block_hash = NULL, park_reason = NULL, park_detail = NULL, updated_at = {at}
                   WHERE id = {id}"
            ))
            .await?;
        Ok(())
    }

    async fn moved(&self, outside: MintState, inside: &str) -> Result<(), DbErr> {
        let (id, at, state) = (self.id, self.at, outside.as_str());
        self.txn
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE mint SET state = {state}, stage = {inside}, updated_at = {at} WHERE id = {id}"
            ))
            .await?;
        Ok(())
    }
}

/// A number of the chain as a column: heights and nonces are far below the limit.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
