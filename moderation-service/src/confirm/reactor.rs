//! Confirms decisions when the content's service has carried them out.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, Recorded, RecordedEvent, Streams, UnitOfWork};
use service_kit::UNHURRIED;
use shared_schemas::{
    CommentId, Event, PostId, Service,
    comment::CommentEvent,
    envelope::Metadata,
    moderation::{CaseState, Subject},
    post::PostEvent,
};

use super::projection;
use crate::case::{
    aggregate::{Case, CaseError, Visibility},
    view,
};

/// Confirms every case that asked for what has happened, not only the one that the event names: content with two cases is
/// hidden once. Content that its author deleted is as hidden as it can be.
pub struct Confirmation {
    /// The cases.
    pub cases: Streams<Case>,
}

/// What a service said about its content.
struct Change {
    subject: Subject,
    visibility: Visibility,
    metadata: Metadata,
}

#[async_trait]
impl Reactor for Confirmation {
    fn group(&self) -> &'static str {
        "moderation.confirm"
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

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let change = if let Some(post) = event.open::<PostEvent>()? {
            of_post(&post)
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            of_comment(&comment)
        } else {
            None
        };
        let Some(Change { subject, visibility, metadata }) = change else { return Ok(()) };
        projection::set(work.txn(), subject, visibility).await?;
        let waiting = match visibility {
            Visibility::Hidden | Visibility::Gone => CaseState::DeleteRequested,
            Visibility::Visible => CaseState::RestoreRequested,
        };
        for case_id in view::waiting(work.txn(), subject, waiting).await? {
            self.cases
                .execute_in(work, case_id, Expected::Any, &metadata, |case| {
                    Ok::<_, CaseError>(match visibility {
                        Visibility::Hidden | Visibility::Gone => case.confirm_delete(),
                        Visibility::Visible => case.confirm_restore(),
                    })
                })
                .await?;
        }
        Ok(())
    }
}

fn of_post(post: &Recorded<PostEvent>) -> Option<Change> {
    let visibility = match post.event {
        PostEvent::Hidden { .. } => Visibility::Hidden,
        PostEvent::Restored { .. } => Visibility::Visible,
        PostEvent::Deleted {} => Visibility::Gone,
        PostEvent::Drafted { .. }
        | PostEvent::DraftEdited { .. }
        | PostEvent::DraftDeleted {}
        | PostEvent::Published { .. }
        | PostEvent::Edited { .. }
        | PostEvent::Archived {} => return None,
    };
    let subject = Subject::Post(PostId(post.aggregate_id));
    Some(Change { subject, visibility, metadata: post.consequence() })
}

fn of_comment(comment: &Recorded<CommentEvent>) -> Option<Change> {
    let visibility = match comment.event {
        CommentEvent::Hidden { .. } => Visibility::Hidden,
        CommentEvent::Restored { .. } => Visibility::Visible,
        CommentEvent::Deleted { .. } => Visibility::Gone,
        CommentEvent::Added { .. } | CommentEvent::Edited { .. } => return None,
    };
    let subject = Subject::Comment(CommentId(comment.aggregate_id));
    Some(Change { subject, visibility, metadata: comment.consequence() })
}
