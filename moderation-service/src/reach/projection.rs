//! Views, reactions and comments become the reach of posts.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use service_kit::UNHURRIED;
use shared_schemas::{
    PostId, Service, comment::CommentEvent, reaction::ReactionEvent, view::ViewEvent,
};

use crate::case::priority;

/// Counts what people did with posts. Commutative: counts are sums.
pub struct ReachProjection;

/// What one event adds.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    views: i64,
    reactions: i64,
    comments: i64,
}

#[async_trait]
impl Projection for ReachProjection {
    fn group(&self) -> &'static str {
        "moderation.reach"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Interaction]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    fn tables(&self) -> &'static [&'static str] {
        &["post_reach"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let none = Change::default();
        let change = if let Some(view) = event.open::<ViewEvent>()? {
            let ViewEvent::Counted { post_id, .. } = view.event;
            Some((post_id, Change { views: 1, ..none }))
        } else if let Some(reaction) = event.open::<ReactionEvent>()? {
            match reaction.event {
                ReactionEvent::Added { post_id, .. } => {
                    Some((post_id, Change { reactions: 1, ..none }))
                }
                ReactionEvent::Removed { post_id, .. } => {
                    Some((post_id, Change { reactions: -1, ..none }))
                }
                ReactionEvent::Changed { .. } => None,
            }
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            match comment.event {
                CommentEvent::Added { post_id, .. } => {
                    Some((post_id, Change { comments: 1, ..none }))
                }
                // Whoever read it has been reached all the same.
                CommentEvent::Deleted { .. }
                | CommentEvent::Edited { .. }
                | CommentEvent::Hidden { .. }
                | CommentEvent::Restored { .. } => None,
            }
        } else {
            None
        };
        if let Some((post_id, change)) = change {
            add(txn, post_id, change).await?;
        }
        Ok(())
    }
}

async fn add(txn: &DatabaseTransaction, post_id: PostId, change: Change) -> Result<(), DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        views: i64,
        reactions: i64,
        comments: i64,
    }
    let Change { views, reactions, comments } = change;
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO post_reach AS known (post_id, views, reactions, comments, reach, factor)
           VALUES ({post_id}, {views}, {reactions}, {comments}, 0, 0)
           ON CONFLICT ON CONSTRAINT post_reach_pkey DO UPDATE
             SET views = known.views + EXCLUDED.views, reactions = known.reactions + EXCLUDED.reactions,
                 comments = known.comments + EXCLUDED.comments
           RETURNING views, reactions, comments"
    ))
    .one(txn)
    .await?;
    // The row is locked now: nobody else counts until this transaction ends.
    let Some(Row { views, reactions, comments }) = row else { return Ok(()) };
    let reach = priority::reach(views, reactions, comments);
    let factor = priority::reach_factor(reach);
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE post_reach SET reach = {reach}, factor = {factor} WHERE post_id = {post_id}"
    ))
    .await?;
    Ok(())
}
