//! Screens what others publish.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use content_screening::publication::Publication;
use event_runtime::{ApplyError, Reactor, Recorded, RecordedEvent, Streams, UnitOfWork, Version};
use shared_schemas::{
    CommentId, DecodeError, Event, PostId, Service, comment::CommentEvent, envelope::Metadata,
    moderation::Subject, post::PostEvent,
};

use super::{aggregate::Screening, clearance::Clearance};
use crate::{case::aggregate::Case, version::analysers::Analysers};

/// Judges every version of every post and comment, records the judgement, and opens a case where it asks for one. If the
/// judgement is to remove, the policy decides the case in the same transaction.
pub struct ContentScreening {
    /// The judges, of which one is active.
    pub analysers: Arc<Analysers>,
    /// The judgements.
    pub screenings: Streams<Screening>,
    /// What is known to be harmless.
    pub clearances: Streams<Clearance>,
    /// The cases.
    pub cases: Streams<Case>,
}

/// A text that was made public, and by what.
pub(crate) struct Published {
    pub(crate) subject: Subject,
    pub(crate) subject_version: u64,
    pub(crate) publication: Publication,
    pub(crate) metadata: Metadata,
    pub(crate) occurred_at: DateTime<Utc>,
}

impl Published {
    /// What an event made public, if anything.
    pub(crate) fn by(event: &RecordedEvent) -> Result<Option<Self>, DecodeError> {
        if let Some(post) = event.open::<PostEvent>()? {
            Ok(of_post(post))
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            Ok(of_comment(comment))
        } else {
            Ok(None)
        }
    }
}

#[async_trait]
impl Reactor for ContentScreening {
    fn group(&self) -> &'static str {
        "moderation.screen"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post, Service::Interaction]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[PostEvent::CATEGORY, CommentEvent::CATEGORY]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.react_all(work, std::slice::from_ref(event)).await
    }

    /// Together, as if one after the other in the order of their time.
    async fn react_all(
        &self,
        work: &UnitOfWork,
        events: &[RecordedEvent],
    ) -> Result<(), ApplyError> {
        let mut batch: Vec<Published> = Vec::new();
        for event in events {
            let Some(published) = Published::by(event)? else { continue };
            // A version of what is in the batch is judged when that one is known.
            if batch.iter().any(|other| other.subject == published.subject) {
                self.screen(work, std::mem::take(&mut batch)).await?;
            }
            batch.push(published);
        }
        if batch.is_empty() { Ok(()) } else { self.screen(work, batch).await }
    }
}

fn of_post(post: Recorded<PostEvent>) -> Option<Published> {
    let (subject, metadata) = (Subject::Post(PostId(post.aggregate_id)), post.consequence());
    let (subject_version, occurred_at) = (version(post.version), post.occurred_at);
    let publication = Publication::of_post(post.event)?;
    Some(Published { subject, subject_version, publication, metadata, occurred_at })
}

fn of_comment(comment: Recorded<CommentEvent>) -> Option<Published> {
    let (subject, metadata) =
        (Subject::Comment(CommentId(comment.aggregate_id)), comment.consequence());
    let (subject_version, occurred_at) = (version(comment.version), comment.occurred_at);
    let publication = Publication::of_comment(comment.event)?;
    Some(Published { subject, subject_version, publication, metadata, occurred_at })
}

fn version(version: Version) -> u64 {
    u64::try_from(version.0).unwrap_or(0)
}
