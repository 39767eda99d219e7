//! Carries out what moderation decides about posts.

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, RecordedEvent, Streams, UnitOfWork};
use shared_schemas::{
    CaseId, Event, Service,
    moderation::{CaseEvent, Decision, Subject},
};

use crate::post::aggregate::{Post, PostError};

/// Hides and restores posts. The event that says so is also the confirmation that moderation waits for.
pub struct Takedown {
    /// The posts.
    pub posts: Streams<Post>,
}

#[async_trait]
impl Reactor for Takedown {
    fn group(&self) -> &'static str {
        "post.takedown"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[CaseEvent::CATEGORY]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(case) = event.open::<CaseEvent>()? else { return Ok(()) };
        let CaseEvent::Decided { subject: Subject::Post(post_id), decision, .. } = case.event
        else {
            return Ok(());
        };
        let case_id = CaseId(case.aggregate_id);
        self.posts
            .execute_in(work, post_id, Expected::Any, &case.consequence(), |post| {
                Ok::<_, PostError>(match decision {
                    Decision::Delete => post.hide(case_id),
                    Decision::Restore => post.restore(case_id),
                    Decision::Dismiss => vec![],
                })
            })
            .await?;
        Ok(())
    }
}
