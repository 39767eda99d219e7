//! Appeals: once per decision, by the author, answered by somebody who did not decide.

use shared_schemas::{
    UserId,
    moderation::{AppealOutcome, CaseEvent, CaseState, Decider, Decision},
};

use super::{
    aggregate::{Appeal, Case, CaseError, Visibility},
    review::Reviewer,
};

/// An answer to an appeal.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who answers.
    pub by: Reviewer,
    /// What the appeal comes to.
    pub outcome: AppealOutcome,
    /// What the author is told.
    pub text: String,
    /// Whether people can see the content.
    pub visibility: Visibility,
}

impl Case {
    /// Appeals against the removal that stands.
    ///
    /// # Errors
    ///
    /// [`CaseError::NothingToAppeal`] if nothing of the person is removed; [`CaseError::AppealedAlready`] the second time.
    pub fn appeal(&self, author_id: UserId, text: &str) -> Result<Vec<CaseEvent>, CaseError> {
        let case = self.existing()?;
        if case.author_id != author_id {
            return Err(CaseError::NotFound);
        }
        match case.state {
            CaseState::DeleteRequested | CaseState::DeleteConfirmed => (),
            CaseState::Opened
            | CaseState::Dismissed
            | CaseState::RestoreRequested
            | CaseState::RestoreConfirmed => return Err(CaseError::NothingToAppeal),
        }
        if case.appeal.is_some() {
            return Err(CaseError::AppealedAlready);
        }
        Ok(vec![CaseEvent::Appealed {}, CaseEvent::AppealWritten { text: text.to_owned() }])
    }

    /// Answers the appeal. A decision that is overturned is taken back: the content's service shows what it was. What its
    /// author deleted meanwhile does not come back, and the decision is overturned all the same.
    ///
    /// # Errors
    ///
    /// [`CaseError::NoAppeal`], [`CaseError::OwnDecision`], and [`CaseError::Claimed`] while another moderator has it.
    pub fn answer(&self, answer: &Answer) -> Result<Vec<CaseEvent>, CaseError> {
        let Answer { by, outcome, visibility, .. } = *answer;
        let case = self.existing()?;
        if case.appeal != Some(Appeal::Pending) {
            return Err(CaseError::NoAppeal);
        }
        if case.removed_by.contains(&by.moderator_id) {
            return Err(CaseError::OwnDecision);
        }
        case.be_free_for(by)?;
        let mut events = match (outcome, visibility) {
            (AppealOutcome::Upheld, _) | (AppealOutcome::Overturned, Visibility::Gone) => vec![],
            (AppealOutcome::Overturned, Visibility::Visible | Visibility::Hidden) => {
                let decided_by = Decider::Moderator { user_id: by.moderator_id };
                self.decide(Decision::Restore, None, decided_by, visibility)?
            }
        };
        events.push(case.resolved(by, outcome));
        events.push(CaseEvent::AppealAnswered { text: answer.text.clone() });
        Ok(events)
    }
}
