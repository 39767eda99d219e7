//! What batches do to a case: judgements that another policy or model changed become decisions of the policy, and can be undone.
//!
//! A batch never overrules a person: not one who decided, and not one who is at work on the case.

use chrono::{DateTime, Utc};
use content_screening::Verdict;
use shared_schemas::{
    BatchId, UserId,
    moderation::{AppealOutcome, CaseEvent, CaseState, Decider, Decision},
};

use super::{
    aggregate::{Appeal, Case, CaseError, DecidedBy, Mark, Open, Opening, Visibility},
    review::Reviewer,
};

/// A judgement that came out differently.
#[derive(Clone, Debug)]
pub struct Flip {
    /// The batch it is of.
    pub batch_id: BatchId,
    /// What it says now.
    pub to: Verdict,
    /// The case that there would be about it, with the new analysis.
    pub opening: Opening,
    /// Whether people can see the content.
    pub visibility: Visibility,
    /// When.
    pub now: DateTime<Utc>,
}

/// The undoing of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Undoing {
    /// The batch.
    pub batch_id: BatchId,
    /// The administrator who asked for it.
    pub asked_by: UserId,
    /// Whether people can see the content.
    pub visibility: Visibility,
    /// When.
    pub now: DateTime<Utc>,
}

/// Why a batch leaves a case alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untouched {
    /// Nothing is there to be undone or done.
    #[error("the case stands as it would after the batch")]
    NothingToChange,
    /// A person took the decision that stands.
    #[error("a person has decided")]
    DecidedByPerson,
    /// Somebody claimed it, asked administrators, proposed a removal, or worked on it after the batch.
    #[error("people are at work on the case")]
    InHands,
    /// People reported it, so that a person looks at it.
    #[error("people reported it; a person decides")]
    Reported,
    /// Its author appealed, and a person answers.
    #[error("the author appealed; a person answers")]
    Appealed,
    /// A later batch changed it.
    #[error("a later batch has changed the case")]
    LaterBatch,
    /// What its author deleted does not come back.
    #[error("the author has deleted the content meanwhile")]
    ContentGone,
    /// It was dismissed or restored, and does not wait again.
    #[error("the case was dismissed or restored; it does not wait anew")]
    Closed,
    /// An earlier decision is still being carried out.
    #[error("an earlier decision is still being carried out")]
    Pending,
}

impl Untouched {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingToChange => "nothing-to-change",
            Self::DecidedByPerson => "decided-by-person",
            Self::InHands => "in-hands",
            Self::Reported => "reported",
            Self::Appealed => "appealed",
            Self::LaterBatch => "later-batch",
            Self::ContentGone => "content-gone",
            Self::Closed => "closed",
            Self::Pending => "pending",
        }
    }
}

impl Mark {
    /// The mark of a batch on a case that stood like this.
    pub(super) fn new(batch_id: BatchId, before: Case) -> Self {
        Self { batch_id, before, is_touched: false, is_reverting: false }
    }

    /// Whether content that a decision hid was hidden before the batch.
    fn was_removed(&self) -> bool {
        matches!(&self.before, Case::Open(before) if is_removed(before.state))
    }
}

impl Open {
    /// Takes down what an event means to the last batch: that there is one, that it is being undone, that people came after it.
    pub(super) fn mark(&mut self, event: &CaseEvent) {
        if let CaseEvent::Decided {
            decision,
            decided_by: Decider::Policy { batch_id: Some(batch_id), .. },
            ..
        } = event
        {
            match &mut self.batch {
                Some(mark) if mark.batch_id == *batch_id => {
                    let is_undoing = match decision {
                        Decision::Delete => mark.was_removed(),
                        Decision::Restore => !mark.was_removed(),
                        Decision::Dismiss => false,
                    };
                    mark.is_reverting |= is_undoing;
                }
                Some(_) | None => {
                    let mark = Mark::new(*batch_id, Case::Open(self.clone()));
                    self.batch = Some(Box::new(mark));
                }
            }
            return;
        }
        let is_by_people = match event {
            CaseEvent::Decided { decided_by: Decider::Moderator { .. }, .. }
            | CaseEvent::Reported { .. }
            | CaseEvent::EvidenceKept { .. }
            | CaseEvent::Claimed { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::Escalated { .. }
            | CaseEvent::Acknowledged { .. }
            | CaseEvent::RemovalProposed { .. }
            | CaseEvent::Labelled { .. } => true,
            // The answer that undoing gives to an appeal is no work that would be lost.
            CaseEvent::AppealResolved { .. } => {
                self.batch.as_ref().is_some_and(|mark| !mark.is_reverting)
            }
            CaseEvent::Decided { decided_by: Decider::Policy { .. }, .. }
            | CaseEvent::Opened { .. }
            | CaseEvent::DeleteConfirmed {}
            | CaseEvent::RestoreConfirmed {}
            | CaseEvent::Released { .. }
            | CaseEvent::Appealed {}
            | CaseEvent::AppealWritten { .. }
            | CaseEvent::AppealAnswered { .. }
            | CaseEvent::TakenBack { .. } => false,
        };
        if let Some(mark) = &mut self.batch {
            mark.is_touched |= is_by_people;
        }
    }

    /// Where the case stands after its last batch was taken back.
    pub(super) fn taken_back(self, state: Option<CaseState>) -> Case {
        match (self.batch.map(|mark| mark.before), state) {
            (Some(Case::Open(before)), Some(state)) => Case::Open(Self { state, ..before }),
            (Some(Case::Open(_) | Case::New) | None, None | Some(_)) => Case::New,
        }
    }

    /// The last step of an undoing that waited for the content's service.
    pub(super) fn undone(&self) -> Option<CaseEvent> {
        let mark = self.batch.as_ref().filter(|mark| mark.is_reverting && !mark.is_touched)?;
        Some(self.back(mark))
    }

    fn back(&self, mark: &Mark) -> CaseEvent {
        let state = match &mark.before {
            Case::New => None,
            // What was under way then is over now.
            Case::Open(before) if before.state == CaseState::DeleteRequested => {
                Some(CaseState::DeleteConfirmed)
            }
            Case::Open(before) => Some(before.state),
        };
        let Self { subject, author_id, .. } = *self;
        CaseEvent::TakenBack { subject, author_id, batch_id: mark.batch_id, state }
    }

    /// Refuses what people have in hand.
    fn be_nobodys(&self, now: DateTime<Utc>) -> Result<(), Untouched> {
        let is_claimed = self.claim.is_some_and(|claim| claim.until > now);
        if self.decided_by == Some(DecidedBy::Person) {
            Err(Untouched::DecidedByPerson)
        } else if is_claimed || self.escalated || self.proposed_by.is_some() {
            Err(Untouched::InHands)
        } else {
            Ok(())
        }
    }

    /// The batches that changed the case, last first.
    fn has_mark_of(&self, batch_id: BatchId) -> bool {
        self.batch.as_ref().is_some_and(|mark| {
            mark.batch_id == batch_id
                || matches!(&mark.before, Case::Open(before) if before.has_mark_of(batch_id))
        })
    }
}

impl Case {
    /// Does what a changed judgement asks for, as a decision of the policy. Once per batch: repeating it records nothing.
    ///
    /// # Errors
    ///
    /// [`Untouched`] says why the case is left alone.
    pub fn flip(&self, flip: &Flip) -> Result<Vec<CaseEvent>, Untouched> {
        let case = match self {
            Self::New => return opened(flip),
            Self::Open(case) if case.has_mark_of(flip.batch_id) => return Ok(vec![]),
            Self::Open(case) => case,
        };
        case.be_nobodys(flip.now)?;
        let decision = match (flip.to, case.state) {
            (Verdict::Hold, CaseState::Opened)
            | (Verdict::Remove, CaseState::DeleteRequested | CaseState::DeleteConfirmed)
            | (
                Verdict::Allow,
                CaseState::Dismissed | CaseState::RestoreRequested | CaseState::RestoreConfirmed,
            ) => return Err(Untouched::NothingToChange),
            (
                Verdict::Hold,
                CaseState::Dismissed | CaseState::RestoreRequested | CaseState::RestoreConfirmed,
            ) => return Err(Untouched::Closed),
            (Verdict::Allow, CaseState::Opened) if case.has_evidence => {
                return Err(Untouched::Reported);
            }
            (Verdict::Allow, CaseState::Opened) => Decision::Dismiss,
            (
                Verdict::Remove,
                CaseState::Opened
                | CaseState::Dismissed
                | CaseState::RestoreRequested
                | CaseState::RestoreConfirmed,
            ) => Decision::Delete,
            (
                Verdict::Allow | Verdict::Hold,
                CaseState::DeleteRequested | CaseState::DeleteConfirmed,
            ) => {
                if case.appeal.is_some() {
                    return Err(Untouched::Appealed);
                }
                Decision::Restore
            }
        };
        let reasons = flip.opening.reasons.clone();
        let reasons = (decision == Decision::Delete).then_some(reasons);
        let decided_by = Decider::Policy {
            version: flip.opening.analyser.clone(),
            batch_id: Some(flip.batch_id),
        };
        Ok(self.decide(decision, reasons, decided_by, flip.visibility)?)
    }

    /// Undoes what a batch did. What the content's service has to show or hide for that is asked for first, and the case stands
    /// as before when it has. Repeating it records nothing.
    ///
    /// # Errors
    ///
    /// [`Untouched`] says why the case is left alone; [`Untouched::Pending`] passes.
    pub fn undo(&self, undoing: &Undoing) -> Result<Vec<CaseEvent>, Untouched> {
        let Undoing { batch_id, asked_by, visibility, now } = *undoing;
        let Self::Open(case) = self else { return Ok(vec![]) };
        let mark = match &case.batch {
            Some(mark) if mark.batch_id == batch_id => mark,
            Some(_) | None if case.has_mark_of(batch_id) => return Err(Untouched::LaterBatch),
            Some(_) | None => return Ok(vec![]),
        };
        if mark.is_reverting && !mark.is_touched {
            return Ok(vec![]);
        }
        case.be_nobodys(now)?;
        if mark.is_touched {
            return Err(Untouched::InHands);
        }
        let decision = match (mark.was_removed(), is_removed(case.state)) {
            (false, false) | (true, true) => return Ok(vec![case.back(mark)]),
            (false, true) if visibility == Visibility::Gone => return Ok(vec![case.back(mark)]),
            (false, true) => Decision::Restore,
            (true, false) => Decision::Delete,
        };
        // What is removed again is removed by who removed it first.
        let (reasons, decider) = match &mark.before {
            Self::Open(before) if mark.was_removed() => (&before.reasons, &before.decided_by),
            Self::Open(_) | Self::New => (&case.reasons, &case.decided_by),
        };
        let version = match decider {
            Some(DecidedBy::Policy(version)) => version.clone(),
            Some(DecidedBy::Person) | None => String::new(),
        };
        let reasons = reasons.clone();
        let decided_by = Decider::Policy { version, batch_id: Some(batch_id) };
        let mut events = self.decide(decision, Some(reasons), decided_by, visibility)?;
        if decision == Decision::Restore && case.appeal == Some(Appeal::Pending) {
            // What was appealed against is gone, by the word of a person.
            let by = Reviewer { moderator_id: asked_by, is_admin: true, now };
            let at = events.len().min(1);
            events.insert(at, case.resolved(by, AppealOutcome::Overturned));
        }
        if matches!(
            events.last(),
            Some(CaseEvent::DeleteConfirmed {} | CaseEvent::RestoreConfirmed {})
        ) {
            events.push(case.back(mark));
        }
        Ok(events)
    }
}

/// What a changed judgement does where there is no case.
fn opened(flip: &Flip) -> Result<Vec<CaseEvent>, Untouched> {
    let removal = match flip.to {
        Verdict::Allow => return Err(Untouched::NothingToChange),
        Verdict::Hold => None,
        Verdict::Remove => Some(flip.visibility),
    };
    Ok(Case::New.open(flip.opening.clone(), removal))
}

const fn is_removed(state: CaseState) -> bool {
    matches!(state, CaseState::DeleteRequested | CaseState::DeleteConfirmed)
}

impl From<CaseError> for Untouched {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::ContentGone => Self::ContentGone,
            CaseError::RestorePending | CaseError::DeletePending => Self::Pending,
            CaseError::Claimed { .. } | CaseError::Escalated => Self::InHands,
            CaseError::NotFound
            | CaseError::NothingToRestore
            | CaseError::NothingToDismiss
            | CaseError::NothingToAppeal
            | CaseError::AppealedAlready
            | CaseError::NoAppeal
            | CaseError::OwnDecision => Self::NothingToChange,
        }
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
