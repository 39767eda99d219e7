//! Requests mints for what is public, and withdraws them when it is not any more.

use std::convert::Infallible;

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, RecordedEvent, Streams, UnitOfWork};
use shared_schemas::{
    CommentId, MintId, PostId, Service, comment::CommentEvent, envelope::Metadata,
    moderation::Subject, post::PostEvent,
};

use super::{
    standing::{self, Standing},
    view,
};
use crate::mint::aggregate::Mint;

/// Follows every post and comment.
pub struct FollowContent {
    mints: Streams<Mint>,
}

impl FollowContent {
    /// A reactor that requests and withdraws these mints.
    pub fn new(mints: Streams<Mint>) -> Self {
        Self { mints }
    }

    async fn follow(
        &self,
        work: &UnitOfWork,
        subject: Subject,
        metadata: &Metadata,
        after: impl FnOnce(Option<Standing>) -> Option<Standing> + Send,
    ) -> Result<(), ApplyError> {
        let Some(standing) = after(view::standing(work.txn(), subject).await?) else {
            return Ok(());
        };
        view::remember(work.txn(), subject, standing).await?;
        self.mints
            .execute_in(work, MintId::of(subject), Expected::Any, metadata, |mint| {
                Ok::<_, Infallible>(if standing.is_mintable() {
                    mint.request(subject, standing.author_id)
                } else {
                    mint.withdraw()
                })
            })
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Reactor for FollowContent {
    fn group(&self) -> &'static str {
        "minting.mintable"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post, Service::Interaction]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        if let Some(post) = event.open::<PostEvent>()? {
            let subject = Subject::Post(PostId(post.aggregate_id));
            let after = |known| standing::after_post(known, &post.event);
            self.follow(work, subject, &post.consequence(), after).await
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            let subject = Subject::Comment(CommentId(comment.aggregate_id));
            let after = |known| standing::after_comment(known, &comment.event);
            self.follow(work, subject, &comment.consequence(), after).await
        } else {
            Ok(())
        }
    }
}
