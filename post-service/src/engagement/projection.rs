//! Interaction events become totals of posts.

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{
    PostId, Service, comment::CommentEvent, reaction::ReactionEvent, view::ViewEvent,
};

use super::{Totals, worth};

/// Adds up what people do with posts.
///
/// Commutative across aggregates: every event adds to or takes from a total, in whatever order events of different comments,
/// reactions and views come.
pub struct EngagementProjection;

#[async_trait]
impl Projection for EngagementProjection {
    fn group(&self) -> &'static str {
        "post.engagement"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Interaction]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["engagement"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let change = if let Some(comment) = event.open::<CommentEvent>()? {
            of_comment(&comment.event)
        } else if let Some(reaction) = event.open::<ReactionEvent>()? {
            Some(of_reaction(&reaction.event))
        } else if let Some(view) = event.open::<ViewEvent>()? {
            let ViewEvent::Counted { post_id, .. } = view.event;
            Some((post_id, Totals { views: 1, ..Totals::default() }))
        } else {
            None
        };
        if let Some((post_id, change)) = change {
            add(txn, post_id, change).await?;
        }
        Ok(())
    }
}

fn of_comment(event: &CommentEvent) -> Option<(PostId, Totals)> {
    let one = Totals { comments: 1, ..Totals::default() };
    let less = Totals { comments: -1, ..Totals::default() };
    match event {
        CommentEvent::Added { post_id, .. } | CommentEvent::Restored { post_id, .. } => {
            Some((*post_id, one))
        }
        CommentEvent::Deleted { post_id, .. } | CommentEvent::Hidden { post_id, .. } => {
            Some((*post_id, less))
        }
        CommentEvent::Edited { .. } => None,
    }
}

fn of_reaction(event: &ReactionEvent) -> (PostId, Totals) {
    match event {
        ReactionEvent::Added { post_id, kind, .. } => {
            (*post_id, Totals { reactions: 1, feeling: worth(*kind), ..Totals::default() })
        }
        ReactionEvent::Changed { post_id, from, to, .. } => {
            (*post_id, Totals { feeling: worth(*to) - worth(*from), ..Totals::default() })
        }
        ReactionEvent::Removed { post_id, kind, .. } => {
            (*post_id, Totals { reactions: -1, feeling: -worth(*kind), ..Totals::default() })
        }
    }
}

async fn add(txn: &DatabaseTransaction, post_id: PostId, change: Totals) -> Result<(), DbErr> {
    let Totals { views, comments, reactions, feeling } = change;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO engagement AS e (post_id, views, comments, reactions, feeling)
           VALUES ({post_id}, {views}, {comments}, {reactions}, {feeling})
           ON CONFLICT ON CONSTRAINT engagement_pkey DO UPDATE
             SET views = e.views + EXCLUDED.views, comments = e.comments + EXCLUDED.comments,
                 reactions = e.reactions + EXCLUDED.reactions, feeling = e.feeling + EXCLUDED.feeling"
    ))
    .await?;
    Ok(())
}
