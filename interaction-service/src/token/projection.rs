//! Mint events become the state of tokens.

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, Recorded, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{
    Event, Service,
    mint::{MintEvent, MintState},
    moderation::Subject,
};

/// Remembers where the token of each comment stands.
///
/// Ordered by mint: each event says where its own mint stands, and mints know nothing of each other.
pub struct TokenProjection;

#[async_trait]
impl Projection for TokenProjection {
    fn group(&self) -> &'static str {
        "interaction.tokens"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Minting]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[MintEvent::CATEGORY]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["token"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        if let Some(mint) = event.open::<MintEvent>()? {
            follow(txn, &mint).await?;
        }
        Ok(())
    }
}

async fn follow(txn: &DatabaseTransaction, mint: &Recorded<MintEvent>) -> Result<(), DbErr> {
    let id = mint.aggregate_id;
    let state = mint.event.leads_to().map(MintState::as_str);
    let statement = match &mint.event {
        MintEvent::Requested { subject: Subject::Comment(comment_id), .. } => {
            let comment_id = *comment_id;
            raw_sql!(
            Postgres,
            "INSERT INTO token (mint_id, comment_id, state) VALUES ({id}, {comment_id}, {state})
               ON CONFLICT ON CONSTRAINT token_pkey
                 DO UPDATE SET state = EXCLUDED.state, cid = NULL, token_id = NULL, tx = NULL"
        )
        }
        // Of the other kind: nothing here follows from what becomes of it.
        MintEvent::Requested { subject: Subject::Post(_), .. } => return Ok(()),
        MintEvent::Pinned { cid, .. } => {
            raw_sql!(Postgres, "UPDATE token SET cid = {cid} WHERE mint_id = {id}")
        }
        MintEvent::Planned { erc1155_id, .. } => raw_sql!(
            Postgres,
            "UPDATE token SET state = {state}, token_id = {erc1155_id} WHERE mint_id = {id}"
        ),
        MintEvent::Mined { hash, .. } => {
            raw_sql!(Postgres, "UPDATE token SET state = {state}, tx = {hash} WHERE mint_id = {id}")
        }
        MintEvent::Reorged { .. } | MintEvent::Retried {} => {
            raw_sql!(Postgres, "UPDATE token SET state = {state}, tx = NULL WHERE mint_id = {id}")
        }
        MintEvent::Withdrawn {}
        | MintEvent::Signed { .. }
        | MintEvent::Broadcast { .. }
        | MintEvent::Final { .. }
        | MintEvent::Parked { .. }
        | MintEvent::Tombstoned {}
        | MintEvent::Restored {} => raw_sql!(
            Postgres,
            "UPDATE token SET state = COALESCE({state}, state) WHERE mint_id = {id}"
        ),
    };
    txn.execute_raw(statement).await?;
    Ok(())
}
