//! Follows posts, comments and what moderation says of them, and decides again about whatever changed.

use async_trait::async_trait;
use event_runtime::{ApplyError, Reactor, Recorded, RecordedEvent, UnitOfWork};
use shared_schemas::{
    CaseId, CommentId, PostId, Service,
    clearance::ClearanceEvent,
    comment::CommentEvent,
    moderation::{CaseEvent, CaseState, Decision, Subject},
    post::PostEvent,
};

use super::{
    decide::Decide,
    standing::{self, Standing},
    view::{self, Judgement, Text},
};

/// Follows every post, comment, case and clearance.
pub struct FollowContent {
    decide: Decide,
}

impl FollowContent {
    /// A reactor that decides like this.
    pub fn new(decide: Decide) -> Self {
        Self { decide }
    }

    async fn on_post(
        &self,
        work: &UnitOfWork,
        post: &Recorded<PostEvent>,
    ) -> Result<(), ApplyError> {
        let subject = Subject::Post(PostId(post.aggregate_id));
        let after = |known| standing::after_post(known, &post.event);
        if !self.stand(work, subject, after).await? {
            return Ok(());
        }
        let (txn, at) = (work.txn(), post.occurred_at);
        let text = |title, body, category| Text {
            version: post.version.0,
            category: Some(category),
            title: Some(title),
            body,
            at,
        };
        match &post.event {
            PostEvent::Published { title, body, category, mint, .. } => {
                view::write(txn, subject, text(title, body, *category)).await?;
                view::publish(txn, subject, *mint, at).await?;
            }
            PostEvent::Edited { title, body, category, .. } => {
                view::write(txn, subject, text(title, body, *category)).await?;
            }
            PostEvent::Deleted {} => view::forget(txn, subject).await?,
            PostEvent::Drafted { .. }
            | PostEvent::DraftEdited { .. }
            | PostEvent::DraftDeleted {}
            | PostEvent::Archived {}
            | PostEvent::Hidden { .. }
            | PostEvent::Restored { .. } => {}
        }
        self.decide.decide(work, subject, &post.consequence()).await
    }

    async fn on_comment(
        &self,
        work: &UnitOfWork,
        comment: &Recorded<CommentEvent>,
    ) -> Result<(), ApplyError> {
        let subject = Subject::Comment(CommentId(comment.aggregate_id));
        let after = |known| standing::after_comment(known, &comment.event);
        if !self.stand(work, subject, after).await? {
            return Ok(());
        }
        let (txn, at) = (work.txn(), comment.occurred_at);
        let text =
            |body, category| Text { version: comment.version.0, category, title: None, body, at };
        match &comment.event {
            CommentEvent::Added { body, category, mint, .. } => {
                view::write(txn, subject, text(body, Some(*category))).await?;
                view::publish(txn, subject, *mint, at).await?;
            }
            CommentEvent::Edited { body, .. } => {
                view::write(txn, subject, text(body, None)).await?;
            }
            CommentEvent::Deleted { .. } => view::forget(txn, subject).await?,
            CommentEvent::Hidden { .. } | CommentEvent::Restored { .. } => {}
        }
        self.decide.decide(work, subject, &comment.consequence()).await
    }

    async fn on_case(
        &self,
        work: &UnitOfWork,
        case: &Recorded<CaseEvent>,
    ) -> Result<(), ApplyError> {
        let (subject, judgement) = match &case.event {
            CaseEvent::Opened { subject, subject_version, .. } => {
                let version = i64::try_from(*subject_version).ok();
                (subject, Judgement { version, blocks: true, deletes: false, clears: false })
            }
            // A person, or an administrator's batch: the policy alone never decides that content stays.
            CaseEvent::Decided { subject, decision, .. } => {
                let deletes = *decision == Decision::Delete;
                (subject, Judgement { version: None, blocks: deletes, deletes, clears: !deletes })
            }
            // What a batch did is undone: the case blocks as it did before, or there is none any more.
            CaseEvent::TakenBack { subject, state, .. } => {
                let (blocks, deletes, clears) = match state {
                    Some(CaseState::DeleteRequested | CaseState::DeleteConfirmed) => {
                        (true, true, false)
                    }
                    Some(CaseState::Opened) => (true, false, false),
                    Some(
                        CaseState::Dismissed
                        | CaseState::RestoreRequested
                        | CaseState::RestoreConfirmed,
                    ) => (false, false, true),
                    None => (false, false, false),
                };
                (subject, Judgement { version: None, blocks, deletes, clears })
            }
            // What people do with a case between its opening and its decision: until then it blocks.
            CaseEvent::Reported { .. }
            | CaseEvent::EvidenceKept { .. }
            | CaseEvent::Claimed { .. }
            | CaseEvent::Released { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::Escalated { .. }
            | CaseEvent::Acknowledged { .. }
            | CaseEvent::RemovalProposed { .. }
            | CaseEvent::Labelled { .. }
            | CaseEvent::Appealed {}
            | CaseEvent::AppealWritten { .. }
            | CaseEvent::AppealResolved { .. }
            | CaseEvent::AppealAnswered { .. }
            | CaseEvent::DeleteConfirmed {}
            | CaseEvent::RestoreConfirmed {} => return Ok(()),
        };
        let id = CaseId(case.aggregate_id);
        view::judge(work.txn(), id, *subject, judgement, case.occurred_at).await?;
        self.decide.decide(work, *subject, &case.consequence()).await
    }

    async fn on_clearance(
        &self,
        work: &UnitOfWork,
        clearance: &Recorded<ClearanceEvent>,
    ) -> Result<(), ApplyError> {
        let ClearanceEvent::Granted { subject, subject_version, .. } = clearance.event;
        let Ok(version) = i64::try_from(subject_version) else { return Ok(()) };
        view::clear(work.txn(), subject, version).await?;
        self.decide.decide(work, subject, &clearance.consequence()).await
    }

    /// Remembers where content stands after an event; `false` if it was never public.
    async fn stand(
        &self,
        work: &UnitOfWork,
        subject: Subject,
        after: impl FnOnce(Option<Standing>) -> Option<Standing> + Send,
    ) -> Result<bool, ApplyError> {
        let known = view::hold(work.txn(), subject).await?;
        let Some(standing) = after(known.map(|known| known.standing())) else {
            return Ok(false);
        };
        view::remember(work.txn(), subject, standing).await?;
        Ok(true)
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

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        if let Some(post) = event.open::<PostEvent>()? {
            self.on_post(work, &post).await
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            self.on_comment(work, &comment).await
        } else if let Some(case) = event.open::<CaseEvent>()? {
            self.on_case(work, &case).await
        } else if let Some(clearance) = event.open::<ClearanceEvent>()? {
            self.on_clearance(work, &clearance).await
        } else {
            Ok(())
        }
    }
}
