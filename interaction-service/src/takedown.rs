//! Carries out what moderation decides about comments.

use std::convert::Infallible;

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, RecordedEvent, Streams, UnitOfWork};
use shared_schemas::{
    CaseId, Event, Service,
    moderation::{CaseEvent, Decision, Subject},
};

use crate::comment::aggregate::Comment;

/// Hides and restores comments. The event that says so is also the confirmation that moderation waits for.
///
/// A decision that already holds, or is about a comment that is gone, records nothing.
pub struct Takedown {
    /// The comments.
    pub comments: Streams<Comment>,
}

#[async_trait]
impl Reactor for Takedown {
    fn group(&self) -> &'static str {
        "interaction.takedown"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[CaseEvent::CATEGORY]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(case) = event.open::<CaseEvent>()? else { return Ok(()) };
        let CaseEvent::Decided { subject: Subject::Comment(comment_id), decision, .. } = case.event
        else {
            return Ok(());
        };
        let case_id = CaseId(case.aggregate_id);
        self.comments
            .execute_in(work, comment_id, Expected::Any, &case.consequence(), |comment| {
                Ok::<_, Infallible>(match decision {
                    Decision::Delete => comment.hide(case_id),
                    Decision::Restore => comment.restore(case_id),
                    Decision::Dismiss => vec![],
                })
            })
            .await?;
        Ok(())
    }
}
