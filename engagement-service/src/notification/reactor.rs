//! Tells people what concerns them.

use std::{convert::Infallible, time::Duration};

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, Recorded, RecordedEvent, Streams, UnitOfWork};
use service_kit::UNHURRIED;
use shared_schemas::{
    CaseId, CommentId, Event, EventId, MintId, NotificationId, PostId, Service, UserId,
    comment::CommentEvent, connection::ConnectionEvent, mint::MintEvent, moderation::CaseEvent,
    post::PostEvent, reaction::ReactionEvent, standing::StandingEvent,
};

use super::{
    aggregate::Notification,
    notice::{self, Notice},
    view,
};

/// Generates notifications because of others' events.
pub struct Notify {
    notifications: Streams<Notification>,
}

impl Notify {
    /// A reactor that generates these notifications.
    pub fn new(notifications: Streams<Notification>) -> Self {
        Self { notifications }
    }

    async fn tell<E: Event>(
        &self,
        work: &UnitOfWork,
        cause: &Recorded<E>,
        notices: Vec<Notice>,
    ) -> Result<(), ApplyError> {
        for notice in notices {
            let id = notification_id(cause.id, notice.recipient_id);
            self.notifications
                .execute_in(work, id, Expected::Any, &cause.consequence(), |notification| {
                    Ok::<_, Infallible>(notification.generate(&notice))
                })
                .await?;
        }
        Ok(())
    }
}

impl Notify {
    async fn on_mint(
        &self,
        work: &UnitOfWork,
        mint: &Recorded<MintEvent>,
    ) -> Result<(), ApplyError> {
        let id = MintId(mint.aggregate_id);
        if let MintEvent::Requested { subject, author_id } = &mint.event {
            view::remember_mint(work.txn(), id, *author_id, *subject).await?;
            return Ok(());
        }
        let Some((author_id, about)) = view::mint(work.txn(), id).await? else { return Ok(()) };
        self.tell(work, mint, notice::of_mint(author_id, about, &mint.event)).await
    }
}

/// The one notification of a person about an event.
fn notification_id(cause: EventId, recipient: UserId) -> NotificationId {
    NotificationId::derive(&[cause.0.as_bytes(), recipient.0.as_bytes()])
}

#[async_trait]
impl Reactor for Notify {
    fn group(&self) -> &'static str {
        "engagement.notify"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Auth, Service::Post, Service::Interaction, Service::Moderation, Service::Minting]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[
            PostEvent::CATEGORY,
            CommentEvent::CATEGORY,
            ReactionEvent::CATEGORY,
            ConnectionEvent::CATEGORY,
            CaseEvent::CATEGORY,
            StandingEvent::CATEGORY,
            MintEvent::CATEGORY,
        ]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        if let Some(post) = event.open::<PostEvent>()? {
            let notices = notice::of_post(PostId(post.aggregate_id), &post.event);
            self.tell(work, &post, notices).await
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            let notices = notice::of_comment(CommentId(comment.aggregate_id), &comment.event);
            self.tell(work, &comment, notices).await
        } else if let Some(reaction) = event.open::<ReactionEvent>()? {
            self.tell(work, &reaction, notice::of_reaction(&reaction.event)).await
        } else if let Some(connection) = event.open::<ConnectionEvent>()? {
            self.tell(work, &connection, notice::of_connection(&connection.event)).await
        } else if let Some(case) = event.open::<CaseEvent>()? {
            let notices = notice::of_case(CaseId(case.aggregate_id), &case.event);
            self.tell(work, &case, notices).await
        } else if let Some(standing) = event.open::<StandingEvent>()? {
            let notices = notice::of_standing(UserId(standing.aggregate_id), &standing.event);
            self.tell(work, &standing, notices).await
        } else if let Some(mint) = event.open::<MintEvent>()? {
            self.on_mint(work, &mint).await
        } else {
            Ok(())
        }
    }
}
