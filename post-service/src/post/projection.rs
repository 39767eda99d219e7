//! Post events become the posts that readers see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{
    PostId,
    post::{Category, PostEvent, PostStatus},
};

/// Moves the `post` table with every post event. Ordered: it follows the versions of one post.
pub struct PostReadModel;

#[async_trait]
impl InlineProjection<PostEvent> for PostReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["post"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<PostEvent>,
    ) -> Result<(), DbErr> {
        match &recorded.event {
            PostEvent::Drafted { author_id, title, body, category } => {
                insert(txn, recorded, *author_id, title, body, *category, PostStatus::Draft).await
            }
            PostEvent::Published { author_id, title, body, category, mint: _ } => {
                insert(txn, recorded, *author_id, title, body, *category, PostStatus::Posted).await
            }
            PostEvent::Edited { title, body, category, .. }
            | PostEvent::DraftEdited { title, body, category } => {
                edit(txn, recorded, title, body, *category).await
            }
            PostEvent::Archived {} => set_status(txn, recorded, PostStatus::Archived).await,
            PostEvent::Hidden { .. } => set_hidden(txn, recorded, true).await,
            PostEvent::Restored { .. } => set_hidden(txn, recorded, false).await,
            PostEvent::Deleted {} | PostEvent::DraftDeleted {} => {
                delete(txn, PostId(recorded.aggregate_id)).await
            }
        }
    }
}

async fn insert(
    txn: &DatabaseTransaction,
    recorded: &Recorded<PostEvent>,
    author_id: shared_schemas::UserId,
    title: &str,
    body: &str,
    category: Category,
    status: PostStatus,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let (category, status) = (category.as_str(), status.as_str());
    let published_at = (status == PostStatus::Posted.as_str()).then_some(at);
    // A draft that is published, and an archived post that comes back, exist already. Its place in the list is that of its
    // first publication.
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO post (id, author_id, title, body, category, status, version, text_version, created_at, updated_at, published_at)
           VALUES ({id}, {author_id}, {title}, {body}, {category}, {status}, {version}, {version}, {at}, {at}, {published_at})
           ON CONFLICT ON CONSTRAINT post_pkey DO UPDATE
             SET title = EXCLUDED.title, body = EXCLUDED.body, category = EXCLUDED.category, status = EXCLUDED.status,
                 version = EXCLUDED.version, text_version = EXCLUDED.text_version, updated_at = EXCLUDED.updated_at,
                 published_at = coalesce(post.published_at, EXCLUDED.published_at)"
    ))
    .await?;
    Ok(())
}

async fn edit(
    txn: &DatabaseTransaction,
    recorded: &Recorded<PostEvent>,
    title: &str,
    body: &str,
    category: Category,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let category = category.as_str();
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE post SET title = {title}, body = {body}, category = {category}, version = {version}, text_version = {version},
                         updated_at = {at}
           WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

async fn set_status(
    txn: &DatabaseTransaction,
    recorded: &Recorded<PostEvent>,
    status: PostStatus,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let status = status.as_str();
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE post SET status = {status}, version = {version}, updated_at = {at} WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

async fn set_hidden(
    txn: &DatabaseTransaction,
    recorded: &Recorded<PostEvent>,
    hidden: bool,
) -> Result<(), DbErr> {
    let (id, version) = (recorded.aggregate_id, recorded.version.0);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE post SET hidden = {hidden}, version = {version} WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

async fn delete(txn: &DatabaseTransaction, id: PostId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "DELETE FROM post WHERE id = {id}")).await?;
    Ok(())
}
