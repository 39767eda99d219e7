//! What is followed: events of posts, comments, cases and clearances.

use event_runtime::{ApplyError, Recorded, RecordedEvent};
use shared_schemas::{
    CommentId, PostId,
    clearance::ClearanceEvent,
    comment::CommentEvent,
    moderation::{CaseEvent, CaseState, Decision, Subject},
    post::PostEvent,
};

use super::view::Judgement;

/// An event that may change what is minted.
pub(super) enum Heard {
    Post(Subject, Recorded<PostEvent>),
    Comment(Subject, Recorded<CommentEvent>),
    Case(Recorded<CaseEvent>),
    Clearance(Recorded<ClearanceEvent>),
}

impl Heard {
    /// An event, if it is one of these.
    pub(super) fn of(event: &RecordedEvent) -> Result<Option<Self>, ApplyError> {
        Ok(if let Some(post) = event.open::<PostEvent>()? {
            Some(Self::Post(Subject::Post(PostId(post.aggregate_id)), post))
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            Some(Self::Comment(Subject::Comment(CommentId(comment.aggregate_id)), comment))
        } else if let Some(case) = event.open::<CaseEvent>()? {
            Some(Self::Case(case))
        } else {
            event.open::<ClearanceEvent>()?.map(Self::Clearance)
        })
    }

    /// What it is about; `None` of what a case does later, which no decision waits for.
    pub(super) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Post(subject, _) | Self::Comment(subject, _) => Some(*subject),
            Self::Case(case) => judged(&case.event).map(|(subject, _)| subject),
            Self::Clearance(clearance) => {
                let ClearanceEvent::Granted { subject, .. } = clearance.event;
                Some(subject)
            }
        }
    }
}

/// What an event of a case says of content; `None` of what people do with a case between its opening and its decision, since
/// until then it blocks, and of what they do later.
pub(super) fn judged(event: &CaseEvent) -> Option<(Subject, Judgement)> {
    let (subject, judgement) = match event {
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
        | CaseEvent::RestoreConfirmed {} => return None,
    };
    Some((*subject, judgement))
}
