//! Follows posts, comments and what moderation says of them, and decides again about whatever changed.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use event_runtime::{ApplyError, Reactor, RecordedEvent, UnitOfWork};
use service_kit::UNHURRIED;
use shared_schemas::{
    CaseId, Event, EventId, MintId, Service,
    clearance::ClearanceEvent,
    comment::CommentEvent,
    envelope::Metadata,
    moderation::{CaseEvent, Subject},
    post::PostEvent,
};

use super::{
    decide::Decide,
    heard::{self, Heard},
    remember, view,
};
use crate::pinning::job::{GIVE_UP, Task};

/// Follows every post, comment, case and clearance.
pub struct FollowContent {
    decide: Decide,
}

impl FollowContent {
    /// A reactor that decides like this.
    pub fn new(decide: Decide) -> Self {
        Self { decide }
    }
}

#[async_trait]
impl Reactor for FollowContent {
    fn group(&self) -> &'static str {
        "minting.mintable"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post, Service::Interaction, Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[
            PostEvent::CATEGORY,
            CommentEvent::CATEGORY,
            CaseEvent::CATEGORY,
            ClearanceEvent::CATEGORY,
        ]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.react_all(work, std::slice::from_ref(event)).await
    }

    /// Everything that is known is read once and written once, and decided about once: after the last of the events.
    async fn react_all(
        &self,
        work: &UnitOfWork,
        events: &[RecordedEvent],
    ) -> Result<(), ApplyError> {
        let heard = events.iter().filter_map(|event| Heard::of(event).transpose());
        let heard = heard.collect::<Result<Vec<_>, _>>()?;
        let subjects: HashSet<Subject> = heard.iter().filter_map(Heard::subject).collect();
        let mut known = view::hold_all(work.txn(), &subjects).await?;
        let (mut causes, mut versions, mut forgotten) =
            (HashMap::new(), HashMap::new(), Vec::new());
        for one in &heard {
            let (subject, cause) = match one {
                Heard::Post(subject, post) => {
                    let after = remember::after_post(known.remove(subject), post);
                    let Some(after) = after else { continue };
                    known.insert(*subject, after);
                    if matches!(post.event, PostEvent::Deleted {}) {
                        forgotten.push(give_up(*subject, post.id, post.consequence()));
                    }
                    (*subject, post.consequence())
                }
                Heard::Comment(subject, comment) => {
                    let after = remember::after_comment(known.remove(subject), comment);
                    let Some(after) = after else { continue };
                    known.insert(*subject, after);
                    if matches!(comment.event, CommentEvent::Deleted { .. }) {
                        forgotten.push(give_up(*subject, comment.id, comment.consequence()));
                    }
                    (*subject, comment.consequence())
                }
                Heard::Case(case) => {
                    let Some((subject, judgement)) = heard::judged(&case.event) else { continue };
                    let id = CaseId(case.aggregate_id);
                    view::judge(work.txn(), id, subject, judgement, case.occurred_at).await?;
                    (subject, case.consequence())
                }
                Heard::Clearance(clearance) => {
                    let ClearanceEvent::Granted { subject, subject_version, .. } = clearance.event;
                    let Ok(version) = i64::try_from(subject_version) else { continue };
                    let newest = versions.entry(subject).or_insert(version);
                    *newest = version.max(*newest);
                    (subject, clearance.consequence())
                }
            };
            causes.insert(subject, cause);
        }
        view::clear_all(work.txn(), &versions).await?;
        work.enqueue_all(GIVE_UP, &forgotten).await?;
        self.decide.decide(work, known, causes).await
    }
}

/// What was deleted by its author while moderation hid it has had its tombstone before, and still its salt.
fn give_up(subject: Subject, event: EventId, metadata: Metadata) -> (String, Task) {
    (event.to_string(), Task { mint_id: MintId::of(subject), metadata })
}
