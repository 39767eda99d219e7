//! Follows what people do elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use event_runtime::{ApplyError, Projection, Recorded, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use service_kit::UNHURRIED;
use shared_schemas::{
    PostId, Service, UserId,
    comment::CommentEvent,
    connection::ConnectionEvent,
    post::{Category, PostEvent},
    reaction::ReactionEvent,
    user::UserEvent,
    view::ViewEvent,
};

use super::{
    change::{self, Change},
    totals::Totals,
};

/// Keeps totals and interests. Commutative: every statement adds to what is there, in whatever order events come.
pub struct ActivityProjection;

#[async_trait]
impl Projection for ActivityProjection {
    fn group(&self) -> &'static str {
        "engagement.activity"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Auth, Service::Post, Service::Interaction]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    fn tables(&self) -> &'static [&'static str] {
        &["person", "activity", "interest", "counted_post"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let changes = match event.service {
            Service::Auth => match event.open::<ConnectionEvent>()? {
                Some(connection) => change::of_connection(&connection.event),
                None => return person(txn, event.open()?).await,
            },
            Service::Post => post(txn, event.open()?).await?,
            Service::Interaction => {
                if let Some(comment) = event.open::<CommentEvent>()? {
                    change::of_comment(&comment.event)
                } else if let Some(reaction) = event.open::<ReactionEvent>()? {
                    change::of_reaction(&reaction.event)
                } else if let Some(view) = event.open::<ViewEvent>()? {
                    change::of_view(&view.event)
                } else {
                    Vec::new()
                }
            }
            Service::Moderation | Service::Engagement | Service::Minting => Vec::new(),
        };
        for change in &changes {
            add(txn, change, event.occurred_at).await?;
        }
        Ok(())
    }
}

/// An event about an account.
async fn person(
    txn: &DatabaseTransaction,
    recorded: Option<Recorded<UserEvent>>,
) -> Result<(), ApplyError> {
    let Some(recorded) = recorded else { return Ok(()) };
    let user_id = UserId(recorded.aggregate_id);
    match &recorded.event {
        UserEvent::Registered { interests } => {
            register(txn, user_id).await?;
            declare(txn, user_id, interests).await?;
        }
        UserEvent::InterestsChanged { interests } => declare(txn, user_id, interests).await?,
        UserEvent::Deleted {} => close(txn, user_id).await?,
        UserEvent::EmailVerified {}
        | UserEvent::RoleGranted { .. }
        | UserEvent::StatusChanged { .. } => return Ok(()),
    }
    Ok(touch(txn, user_id, recorded.occurred_at).await?)
}

/// An event about a post: only its first publication counts.
async fn post(
    txn: &DatabaseTransaction,
    recorded: Option<Recorded<PostEvent>>,
) -> Result<Vec<Change>, DbErr> {
    let Some(recorded) = recorded else { return Ok(Vec::new()) };
    match &recorded.event {
        PostEvent::Published { author_id, category, .. } => {
            if count_post(txn, PostId(recorded.aggregate_id)).await? {
                let by = Totals { posts: 1, ..Totals::default() };
                Ok(vec![Change::act(*author_id, *category, by)])
            } else {
                Ok(Vec::new())
            }
        }
        PostEvent::Drafted { .. }
        | PostEvent::DraftEdited { .. }
        | PostEvent::DraftDeleted {}
        | PostEvent::Edited { .. }
        | PostEvent::Archived {}
        | PostEvent::Deleted {}
        | PostEvent::Hidden { .. }
        | PostEvent::Restored { .. } => Ok(Vec::new()),
    }
}

async fn register(txn: &DatabaseTransaction, user_id: UserId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO person (user_id) VALUES ({user_id})
           ON CONFLICT ON CONSTRAINT person_pkey DO NOTHING"
    ))
    .await?;
    Ok(())
}

async fn close(txn: &DatabaseTransaction, user_id: UserId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE person SET closed = true WHERE user_id = {user_id}"
    ))
    .await?;
    Ok(())
}

/// Replaces the declared interests; the events of one account come in order.
async fn declare(
    txn: &DatabaseTransaction,
    user_id: UserId,
    interests: &[Category],
) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE interest SET declared = false WHERE user_id = {user_id} AND declared"
    ))
    .await?;
    for category in interests {
        let category = category.as_str();
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO interest (user_id, category, declared) VALUES ({user_id}, {category}, true)
               ON CONFLICT ON CONSTRAINT interest_pkey DO UPDATE SET declared = true"
        ))
        .await?;
    }
    Ok(())
}

/// Takes note of a post; `false` if it was noted before.
async fn count_post(txn: &DatabaseTransaction, post_id: PostId) -> Result<bool, DbErr> {
    let noted = txn
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO counted_post (post_id) VALUES ({post_id})
               ON CONFLICT ON CONSTRAINT counted_post_pkey DO NOTHING"
        ))
        .await?;
    Ok(noted.rows_affected() == 1)
}

/// Makes the person's row, or marks it as changed.
async fn touch(txn: &DatabaseTransaction, user_id: UserId, at: DateTime<Utc>) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO activity (user_id, updated_at) VALUES ({user_id}, {at})
           ON CONFLICT ON CONSTRAINT activity_pkey
             DO UPDATE SET updated_at = GREATEST(activity.updated_at, EXCLUDED.updated_at)"
    ))
    .await?;
    Ok(())
}

/// Adds a difference to the totals, and to the category in which the person acted.
async fn add(txn: &DatabaseTransaction, change: &Change, at: DateTime<Utc>) -> Result<(), DbErr> {
    let Change { user_id, by, own_act, category } = *change;
    let active_at = own_act.then_some(at);
    // LEAST and GREATEST pass over nulls.
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO activity AS a (user_id, posts, comments, reactions, views, reactions_received, comments_received,
                                    views_received, connections, first_active_at, last_active_at, updated_at)
           VALUES ({user_id}, {by.posts}, {by.comments}, {by.reactions}, {by.views}, {by.reactions_received},
                   {by.comments_received}, {by.views_received}, {by.connections}, {active_at}, {active_at}, {at})
           ON CONFLICT ON CONSTRAINT activity_pkey DO UPDATE SET
             posts = a.posts + EXCLUDED.posts,
             comments = a.comments + EXCLUDED.comments,
             reactions = a.reactions + EXCLUDED.reactions,
             views = a.views + EXCLUDED.views,
             reactions_received = a.reactions_received + EXCLUDED.reactions_received,
             comments_received = a.comments_received + EXCLUDED.comments_received,
             views_received = a.views_received + EXCLUDED.views_received,
             connections = a.connections + EXCLUDED.connections,
             first_active_at = LEAST(a.first_active_at, EXCLUDED.first_active_at),
             last_active_at = GREATEST(a.last_active_at, EXCLUDED.last_active_at),
             updated_at = GREATEST(a.updated_at, EXCLUDED.updated_at)"
    ))
    .await?;
    let Some(category) = category.map(Category::as_str) else { return Ok(()) };
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO interest AS i (user_id, category, posts, comments, reactions, views)
           VALUES ({user_id}, {category}, {by.posts}, {by.comments}, {by.reactions}, {by.views})
           ON CONFLICT ON CONSTRAINT interest_pkey DO UPDATE SET
             posts = i.posts + EXCLUDED.posts,
             comments = i.comments + EXCLUDED.comments,
             reactions = i.reactions + EXCLUDED.reactions,
             views = i.views + EXCLUDED.views"
    ))
    .await?;
    Ok(())
}
