//! Post and comment events become the texts that can be reported.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use service_kit::UNHURRIED;
use shared_schemas::{
    CommentId, Event, PostId, Service, UserId, comment::CommentEvent, moderation::Subject,
    post::PostEvent,
};
use uuid::Uuid;

use crate::case::view::columns;

/// Keeps what posts and comments say now. Ordered: it follows the versions of each.
pub struct PublishedProjection;

/// A text that was made public.
struct Publication<'a> {
    subject: Subject,
    version: i64,
    author_id: UserId,
    post_id: PostId,
    text: &'a str,
}

#[async_trait]
impl Projection for PublishedProjection {
    fn group(&self) -> &'static str {
        "moderation.published"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post, Service::Interaction]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[PostEvent::CATEGORY, CommentEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    fn tables(&self) -> &'static [&'static str] {
        &["published_text"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let (id, version) = (event.aggregate_id, event.aggregate_version.0);
        if let Some(post) = event.open::<PostEvent>()? {
            apply_post(txn, PostId(id), version, &post.event).await?;
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            apply_comment(txn, CommentId(id), version, &comment.event).await?;
        }
        Ok(())
    }
}

async fn apply_post(
    txn: &DatabaseTransaction,
    id: PostId,
    version: i64,
    event: &PostEvent,
) -> Result<(), DbErr> {
    match event {
        PostEvent::Published { author_id, title, body, .. }
        | PostEvent::Edited { author_id, title, body, .. } => {
            let text = format!("{title}\n{body}");
            let (subject, author_id) = (Subject::Post(id), *author_id);
            put(txn, &Publication { subject, version, author_id, post_id: id, text: &text }).await
        }
        PostEvent::Hidden { .. } => set_hidden(txn, id.0, true).await,
        PostEvent::Restored { .. } => set_hidden(txn, id.0, false).await,
        PostEvent::Archived {} | PostEvent::Deleted {} => delete(txn, id.0).await,
        PostEvent::Drafted { .. } | PostEvent::DraftEdited { .. } | PostEvent::DraftDeleted {} => {
            Ok(())
        }
    }
}

async fn apply_comment(
    txn: &DatabaseTransaction,
    id: CommentId,
    version: i64,
    event: &CommentEvent,
) -> Result<(), DbErr> {
    match event {
        CommentEvent::Added { author_id, post_id, body, .. }
        | CommentEvent::Edited { author_id, post_id, body } => {
            let (subject, author_id) = (Subject::Comment(id), *author_id);
            put(txn, &Publication { subject, version, author_id, post_id: *post_id, text: body })
                .await
        }
        CommentEvent::Hidden { .. } => set_hidden(txn, id.0, true).await,
        CommentEvent::Restored { .. } => set_hidden(txn, id.0, false).await,
        CommentEvent::Deleted { .. } => delete(txn, id.0).await,
    }
}

async fn put(txn: &DatabaseTransaction, text: &Publication<'_>) -> Result<(), DbErr> {
    let Publication { subject, version, author_id, post_id, text } = *text;
    let (kind, id) = columns(subject);
    // What is edited while it is hidden stays hidden.
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO published_text (subject_id, subject_kind, subject_version, author_id, post_id, text, hidden)
           VALUES ({id}, {kind}, {version}, {author_id}, {post_id}, {text}, false)
           ON CONFLICT ON CONSTRAINT published_text_pkey DO UPDATE
             SET subject_version = EXCLUDED.subject_version, text = EXCLUDED.text"
    ))
    .await?;
    Ok(())
}

async fn set_hidden(txn: &DatabaseTransaction, id: Uuid, hidden: bool) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE published_text SET hidden = {hidden} WHERE subject_id = {id}"
    ))
    .await?;
    Ok(())
}

async fn delete(txn: &DatabaseTransaction, id: Uuid) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "DELETE FROM published_text WHERE subject_id = {id}"))
        .await?;
    Ok(())
}
