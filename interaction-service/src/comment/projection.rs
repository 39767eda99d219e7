//! Comment events become the comments that readers see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{CommentId, PostId, UserId, comment::CommentEvent};

/// Moves the `comment` table with every comment event.
///
/// Ordered within one comment. The reply counts of parents are commutative: a parent's row is there before any answer to it
/// can be recorded, and every answer is counted by itself. Rows are always locked from the answer to what it answers.
pub struct CommentReadModel;

#[async_trait]
impl InlineProjection<CommentEvent> for CommentReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["comment"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CommentEvent>,
    ) -> Result<(), DbErr> {
        match &recorded.event {
            CommentEvent::Added { post_id, author_id, parent_id, body, .. } => {
                add(txn, recorded, *post_id, *author_id, *parent_id, body).await
            }
            CommentEvent::Edited { body, .. } => edit(txn, recorded, body).await,
            CommentEvent::Deleted { .. } => delete(txn, recorded).await,
            CommentEvent::Hidden { .. } => set_hidden(txn, recorded, true).await,
            CommentEvent::Restored { .. } => set_hidden(txn, recorded, false).await,
        }
    }
}

async fn add(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CommentEvent>,
    post_id: PostId,
    author_id: UserId,
    parent_id: Option<CommentId>,
    body: &str,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO comment (id, post_id, author_id, parent_id, body, version, text_version, created_at, updated_at)
           VALUES ({id}, {post_id}, {author_id}, {parent_id}, {body}, {version}, {version}, {at}, {at})"
    ))
    .await?;
    let Some(parent_id) = parent_id else { return Ok(()) };
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE comment SET total_replies = total_replies + 1 WHERE id = {parent_id}"
    ))
    .await?;
    Ok(())
}

async fn edit(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CommentEvent>,
    body: &str,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE comment SET body = {body}, version = {version}, text_version = {version}, updated_at = {at} WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

async fn delete(txn: &DatabaseTransaction, recorded: &Recorded<CommentEvent>) -> Result<(), DbErr> {
    let id = recorded.aggregate_id;
    // A hidden answer is not counted any more.
    txn.execute_raw(raw_sql!(
        Postgres,
        "WITH gone AS (DELETE FROM comment WHERE id = {id} RETURNING parent_id, hidden)
         UPDATE comment SET total_replies = comment.total_replies - 1
           FROM gone WHERE comment.id = gone.parent_id AND NOT gone.hidden"
    ))
    .await?;
    Ok(())
}

async fn set_hidden(
    txn: &DatabaseTransaction,
    recorded: &Recorded<CommentEvent>,
    hidden: bool,
) -> Result<(), DbErr> {
    let (id, version) = (recorded.aggregate_id, recorded.version.0);
    let replies: i64 = if hidden { -1 } else { 1 };
    txn.execute_raw(raw_sql!(
        Postgres,
        "WITH changed AS (
           UPDATE comment SET hidden = {hidden}, version = {version} WHERE id = {id} RETURNING parent_id)
         UPDATE comment SET total_replies = comment.total_replies + {replies}
           FROM changed WHERE comment.id = changed.parent_id"
    ))
    .await?;
    Ok(())
}
