//! Moves the table of consent.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::consent::ConsentEvent;

/// Fills the table `consent`.
#[derive(Clone, Copy)]
pub struct ConsentReadModel;

#[async_trait]
impl InlineProjection<ConsentEvent> for ConsentReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["consent"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ConsentEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let ConsentEvent::Set { minting, text } = &recorded.event;
        let (minting, text) = (minting.as_str(), text.as_str());
        // Another wish about the text says nothing about what was published before.
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO consent AS c (user_id, minting, text, minting_since)
               VALUES ({id}, {minting}, {text}, {at})
               ON CONFLICT ON CONSTRAINT consent_pkey DO UPDATE
                 SET minting_since = CASE WHEN c.minting = EXCLUDED.minting THEN c.minting_since
                                          ELSE EXCLUDED.minting_since END,
                     minting = EXCLUDED.minting, text = EXCLUDED.text"
        ))
        .await?;
        Ok(())
    }
}
