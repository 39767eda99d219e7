//! Events of listed images become the list.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::json;

use super::{
    aggregate::{Listed, ListedImageEvent},
    hash,
};

/// Fills the `listed_image` table.
pub struct ListedImageReadModel;

#[async_trait]
impl InlineProjection<ListedImageEvent> for ListedImageReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["listed_image"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ListedImageEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        let statement = match &recorded.event {
            ListedImageEvent::Listed(Listed {
                sha256, perceptual, category, action, note, ..
            }) => {
                let (sha256, note) = (sha256.as_deref(), note.as_deref());
                let (category, action) = (category.as_str(), action.as_str());
                let hash = perceptual.as_deref().and_then(|hex| u64::from_str_radix(hex, 16).ok());
                let bands = json!(hash.map(hash::bands).as_ref().map_or(&[][..], |bands| bands));
                let perceptual = hash.map(u64::cast_signed);
                raw_sql!(
                    Postgres,
                    "INSERT INTO listed_image (id, sha256, perceptual, bands, category, action, note, listed_at)
                       VALUES ({id}, {sha256}, {perceptual},
                               ARRAY(SELECT band::integer FROM jsonb_array_elements_text({bands}::jsonb) AS band),
                               {category}, {action}, {note}, {at})
                       ON CONFLICT ON CONSTRAINT listed_image_pkey DO UPDATE
                         SET category = EXCLUDED.category, action = EXCLUDED.action, note = EXCLUDED.note"
                )
            }
            ListedImageEvent::Delisted { .. } => {
                raw_sql!(Postgres, "DELETE FROM listed_image WHERE id = {id}")
            }
        };
        txn.execute_raw(statement).await?;
        Ok(())
    }
}
