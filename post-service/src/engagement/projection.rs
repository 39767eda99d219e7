//! Interaction events become totals of posts.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use service_kit::UNHURRIED;
use shared_schemas::{
    Event, PostId, Service, comment::CommentEvent, reaction::ReactionEvent, view::ViewEvent,
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

    fn categories(&self) -> &'static [&'static str] {
        &[CommentEvent::CATEGORY, ReactionEvent::CATEGORY, ViewEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
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
        CommentEvent::Deleted { post_id, was_hidden: false, .. }
        | CommentEvent::Hidden { post_id, .. } => Some((*post_id, less)),
        // Hiding it has taken it from the total.
        CommentEvent::Deleted { was_hidden: true, .. } | CommentEvent::Edited { .. } => None,
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

#[cfg(test)]
mod tests {
    use shared_schemas::{CaseId, UserId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_hidden_comment_that_its_author_deletes_is_taken_from_the_total_once() {
        let (post_id, author_id) = (PostId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let hidden =
            CommentEvent::Hidden { post_id, author_id, case_id: CaseId(Uuid::from_u128(3)) };
        let deleted = CommentEvent::Deleted { post_id, author_id, was_hidden: true };

        let changes: i64 = [hidden, deleted]
            .iter()
            .filter_map(of_comment)
            .map(|(_, change)| change.comments)
            .sum();

        assert_eq!(changes, -1);
    }
}
