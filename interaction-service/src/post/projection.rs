//! Posts as post-service tells of them.

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{
    Event, PostId, Service, UserId,
    post::{Category, PostEvent},
};

/// Keeps author, category and openness of every post that was ever public.
///
/// Ordered: the last event of a post decides, and events of one post come in order.
pub struct PostMirror;

#[async_trait]
impl Projection for PostMirror {
    fn group(&self) -> &'static str {
        "interaction.post"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[PostEvent::CATEGORY]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["post"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let Some(recorded) = event.open::<PostEvent>()? else { return Ok(()) };
        let id = PostId(recorded.aggregate_id);
        match &recorded.event {
            // Never published by post-service; nobody else may know of a draft.
            PostEvent::Drafted { .. }
            | PostEvent::DraftEdited { .. }
            | PostEvent::DraftDeleted {} => (),
            PostEvent::Published { author_id, category, .. } => {
                publish(txn, id, *author_id, *category).await?;
            }
            PostEvent::Edited { category, .. } => recategorise(txn, id, *category).await?,
            PostEvent::Archived {} => archive(txn, id).await?,
            PostEvent::Deleted {} => delete(txn, id).await?,
            PostEvent::Hidden { .. } => set_hidden(txn, id, true).await?,
            PostEvent::Restored { .. } => set_hidden(txn, id, false).await?,
        }
        Ok(())
    }
}

async fn publish(
    txn: &DatabaseTransaction,
    id: PostId,
    author_id: UserId,
    category: Category,
) -> Result<(), DbErr> {
    let category = category.as_str();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO post (id, author_id, category) VALUES ({id}, {author_id}, {category})
           ON CONFLICT ON CONSTRAINT post_pkey DO UPDATE SET category = EXCLUDED.category, archived = false"
    ))
    .await?;
    Ok(())
}

async fn recategorise(
    txn: &DatabaseTransaction,
    id: PostId,
    category: Category,
) -> Result<(), DbErr> {
    let category = category.as_str();
    txn.execute_raw(raw_sql!(Postgres, "UPDATE post SET category = {category} WHERE id = {id}"))
        .await?;
    Ok(())
}

async fn archive(txn: &DatabaseTransaction, id: PostId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "UPDATE post SET archived = true WHERE id = {id}")).await?;
    Ok(())
}

/// A deleted draft was never known here and stays unknown.
async fn delete(txn: &DatabaseTransaction, id: PostId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "UPDATE post SET deleted = true WHERE id = {id}")).await?;
    Ok(())
}

async fn set_hidden(txn: &DatabaseTransaction, id: PostId, hidden: bool) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "UPDATE post SET hidden = {hidden} WHERE id = {id}"))
        .await?;
    Ok(())
}
