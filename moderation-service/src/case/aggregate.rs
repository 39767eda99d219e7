//! The rules of a case.

use event_runtime::Aggregate;
use serde_json::Value;
use shared_schemas::{
    CaseId, UserId,
    moderation::{CaseEvent, CaseState, Decider, Decision, ModerationReason, Subject},
};

/// What a command needs to know about a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It exists.
    Open(Open),
}

/// A case that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    subject: Subject,
    author_id: UserId,
    reasons: Vec<ModerationReason>,
    state: CaseState,
}

/// An analysis that asks for a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// What was analysed.
    pub subject: Subject,
    /// Which version of it.
    pub subject_version: u64,
    /// Who wrote it.
    pub author_id: UserId,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
    /// Name and hash of the analyser and its rules.
    pub analyser: String,
    /// The whole analysis.
    pub analysis: Value,
}

/// Whether people can see the content of a case, as far as its service has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// They can.
    Visible,
    /// A decision hid it.
    Hidden,
    /// Its author deleted it.
    Gone,
}

/// Why a case refuses a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// There is none.
    #[error("there is no such case")]
    NotFound,
    /// Nothing was hidden that could come back.
    #[error("nothing was deleted that could be restored")]
    NothingToRestore,
    /// The content is hidden or about to be, or was and is back: that is undone by the opposite, not by leaving it.
    #[error("a case that was decided to delete cannot be dismissed; restore the content instead")]
    NothingToDismiss,
    /// The content's service has not brought it back yet.
    #[error("the content is being restored; wait until that is confirmed")]
    RestorePending,
    /// Another case asked to hide the content, and its service has not said yet that it did.
    #[error("the content is being hidden because of another case; wait until that is confirmed")]
    DeletePending,
    /// The author deleted the content.
    #[error("its author has deleted the content; there is nothing to restore")]
    ContentGone,
}

/// The case about one version of some content: there is one at most.
pub fn case_id(subject: &Subject, subject_version: u64) -> CaseId {
    CaseId::derive(&[subject.as_bytes(), &subject_version.to_be_bytes()])
}

/// Where a case stands right after a decision.
pub const fn state_after(decision: Decision) -> CaseState {
    match decision {
        Decision::Delete => CaseState::DeleteRequested,
        Decision::Dismiss => CaseState::Dismissed,
        Decision::Restore => CaseState::RestoreRequested,
    }
}

impl Aggregate for Case {
    type Id = CaseId;
    type Event = CaseEvent;

    fn evolve(self, event: &CaseEvent) -> Self {
        let moved = |state| match self.clone() {
            Self::Open(open) => Self::Open(Open { state, ..open }),
            Self::New => Self::New,
        };
        match event {
            CaseEvent::Opened { subject, author_id, reasons, .. } => Self::Open(Open {
                subject: *subject,
                author_id: *author_id,
                reasons: reasons.clone(),
                state: CaseState::Opened,
            }),
            CaseEvent::Decided { decision, .. } => moved(state_after(*decision)),
            CaseEvent::DeleteConfirmed {} => moved(CaseState::DeleteConfirmed),
            CaseEvent::RestoreConfirmed {} => moved(CaseState::RestoreConfirmed),
        }
    }
}

impl Case {
    /// Opens the case, once. With `removal`, the policy decides at once that the content goes; it says whether people can see
    /// it now.
    pub fn open(&self, opening: Opening, removal: Option<Visibility>) -> Vec<CaseEvent> {
        if *self != Self::New {
            return vec![];
        }
        let Opening { subject, subject_version, author_id, reasons, analyser, analysis } = opening;
        let decided = CaseEvent::Decided {
            subject,
            author_id,
            decision: Decision::Delete,
            reasons: reasons.clone(),
            decided_by: Decider::Policy { version: analyser.clone() },
        };
        let opened =
            CaseEvent::Opened { subject, subject_version, author_id, reasons, analyser, analysis };
        match removal {
            None => vec![opened],
            Some(Visibility::Visible) => vec![opened, decided],
            Some(Visibility::Hidden | Visibility::Gone) => {
                vec![opened, decided, CaseEvent::DeleteConfirmed {}]
            }
        }
    }

    /// Decides the case, or decides it anew. Repeating the decision that stands records nothing. `reasons` are those of the
    /// case unless the decider has others.
    ///
    /// What its service has hidden or shown already, perhaps because of another case, will not be hidden or shown again: such
    /// a decision is confirmed at once.
    ///
    /// # Errors
    ///
    /// [`CaseError`] says why the decision does not follow from where the case stands.
    pub fn decide(
        &self,
        decision: Decision,
        reasons: Option<Vec<ModerationReason>>,
        decided_by: Decider,
        visibility: Visibility,
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let Self::Open(case) = self else { return Err(CaseError::NotFound) };
        if !changes(case.state, decision, visibility)? {
            return Ok(vec![]);
        }
        let decided = CaseEvent::Decided {
            subject: case.subject,
            author_id: case.author_id,
            decision,
            reasons: reasons.unwrap_or_else(|| case.reasons.clone()),
            decided_by,
        };
        let confirmed = match (decision, case.state, visibility) {
            (Decision::Delete, _, Visibility::Hidden | Visibility::Gone) => {
                Some(CaseEvent::DeleteConfirmed {})
            }
            // While a deletion is under way, what is visible now will be hidden first and shown again then.
            (Decision::Restore, CaseState::DeleteConfirmed, Visibility::Visible) => {
                Some(CaseEvent::RestoreConfirmed {})
            }
            (Decision::Delete | Decision::Dismiss | Decision::Restore, _, _) => None,
        };
        Ok([Some(decided), confirmed].into_iter().flatten().collect())
    }

    /// The content is hidden or gone.
    pub fn confirm_delete(&self) -> Vec<CaseEvent> {
        self.confirm(CaseState::DeleteRequested, CaseEvent::DeleteConfirmed {})
    }

    /// The content is back.
    pub fn confirm_restore(&self) -> Vec<CaseEvent> {
        self.confirm(CaseState::RestoreRequested, CaseEvent::RestoreConfirmed {})
    }

    fn confirm(&self, requested: CaseState, confirmed: CaseEvent) -> Vec<CaseEvent> {
        match self {
            Self::Open(Open { state, .. }) if *state == requested => vec![confirmed],
            Self::Open(_) | Self::New => vec![],
        }
    }
}

/// Whether a decision changes anything about a case in some state.
fn changes(
    state: CaseState,
    decision: Decision,
    visibility: Visibility,
) -> Result<bool, CaseError> {
    use CaseState::{
        DeleteConfirmed, DeleteRequested, Dismissed, Opened, RestoreConfirmed, RestoreRequested,
    };
    match (decision, state) {
        (Decision::Delete, Opened | Dismissed | RestoreConfirmed) | (Decision::Dismiss, Opened) => {
            Ok(true)
        }
        (Decision::Delete, DeleteRequested | DeleteConfirmed)
        | (Decision::Dismiss, Dismissed)
        | (Decision::Restore, RestoreRequested | RestoreConfirmed) => Ok(false),
        // What is gone is never confirmed to be back.
        (Decision::Delete, RestoreRequested) => match visibility {
            Visibility::Gone => Ok(true),
            Visibility::Visible | Visibility::Hidden => Err(CaseError::RestorePending),
        },
        (
            Decision::Dismiss,
            DeleteRequested | DeleteConfirmed | RestoreRequested | RestoreConfirmed,
        ) => Err(CaseError::NothingToDismiss),
        (Decision::Restore, Opened | Dismissed) => Err(CaseError::NothingToRestore),
        (Decision::Restore, DeleteRequested | DeleteConfirmed) => match visibility {
            Visibility::Gone => Err(CaseError::ContentGone),
            Visibility::Visible | Visibility::Hidden => Ok(true),
        },
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::PostId;
    use uuid::Uuid;

    use super::*;

    const AUTHOR: UserId = UserId(Uuid::from_u128(1));
    const SUBJECT: Subject = Subject::Post(PostId(Uuid::from_u128(2)));

    fn opening() -> Opening {
        Opening {
            subject: SUBJECT,
            subject_version: 1,
            author_id: AUTHOR,
            reasons: vec![ModerationReason::Spam],
            analyser: "test".to_owned(),
            analysis: Value::Null,
        }
    }

    fn moderator() -> Decider {
        Decider::Moderator { user_id: UserId(Uuid::from_u128(3)) }
    }

    /// A case with its history.
    struct Given(Vec<CaseEvent>);

    impl Given {
        fn opened() -> Self {
            Self(Case::New.open(opening(), None))
        }

        fn case(&self) -> Case {
            self.0.iter().fold(Case::default(), Case::evolve)
        }

        fn state(&self) -> CaseState {
            match self.case() {
                Case::Open(open) => open.state,
                Case::New => panic!("there is no case"),
            }
        }

        /// After a decision while the content is visible.
        fn decided(mut self, decision: Decision) -> Self {
            self.0.extend(
                self.case().decide(decision, None, moderator(), Visibility::Visible).unwrap(),
            );
            self
        }

        fn hidden(mut self) -> Self {
            self.0.extend(self.case().confirm_delete());
            self
        }

        fn restored(mut self) -> Self {
            self.0.extend(self.case().confirm_restore());
            self
        }

        fn refuses(&self, decision: Decision) -> CaseError {
            self.case().decide(decision, None, moderator(), Visibility::Visible).unwrap_err()
        }
    }

    #[test]
    fn a_case_opens_once() {
        assert_eq!(Given::opened().case().open(opening(), Some(Visibility::Visible)), vec![]);
    }

    #[test]
    fn a_removal_is_decided_by_the_policy_when_the_case_opens() {
        let given = Given(Case::New.open(opening(), Some(Visibility::Visible)));

        assert_eq!(given.state(), CaseState::DeleteRequested);
        assert!(matches!(
            given.0.as_slice(),
            [_, CaseEvent::Decided { decision: Decision::Delete, decided_by: Decider::Policy { version }, .. }]
                if version == "test"
        ));
    }

    #[test]
    fn a_deletion_is_requested_confirmed_and_taken_back() {
        let deleted = Given::opened().decided(Decision::Delete);
        assert_eq!(deleted.state(), CaseState::DeleteRequested);
        let deleted = deleted.hidden();
        assert_eq!(deleted.state(), CaseState::DeleteConfirmed);
        let hidden = deleted.case();
        let events =
            hidden.decide(Decision::Restore, None, moderator(), Visibility::Hidden).unwrap();

        let restored = Given(deleted.0.into_iter().chain(events).collect());

        assert_eq!(restored.state(), CaseState::RestoreRequested);
        assert_eq!(restored.restored().state(), CaseState::RestoreConfirmed);
    }

    #[test]
    fn a_dismissed_case_can_still_lead_to_a_deletion() {
        let given = Given::opened().decided(Decision::Dismiss).decided(Decision::Delete);

        assert_eq!(given.state(), CaseState::DeleteRequested);
    }

    #[test]
    fn restored_content_can_be_deleted_again() {
        let given = Given::opened()
            .decided(Decision::Delete)
            .decided(Decision::Restore)
            .restored()
            .decided(Decision::Delete)
            .hidden();

        assert_eq!(given.state(), CaseState::DeleteConfirmed);
    }

    #[test]
    fn repeating_a_decision_records_nothing() {
        let dismissed = Given::opened().decided(Decision::Dismiss);
        let deleted = Given::opened().decided(Decision::Delete);
        let (dismissals, deletions) = (dismissed.0.len(), deleted.0.len());

        assert_eq!(dismissed.decided(Decision::Dismiss).0.len(), dismissals);
        assert_eq!(deleted.decided(Decision::Delete).0.len(), deletions);
    }

    #[test]
    fn decisions_that_do_not_follow_are_refused() {
        let opened = Given::opened();
        assert_eq!(opened.refuses(Decision::Restore), CaseError::NothingToRestore);
        let deleted = opened.decided(Decision::Delete);
        assert_eq!(deleted.refuses(Decision::Dismiss), CaseError::NothingToDismiss);
        let restoring = deleted.decided(Decision::Restore);
        assert_eq!(restoring.refuses(Decision::Delete), CaseError::RestorePending);
        assert_eq!(Given(vec![]).refuses(Decision::Delete), CaseError::NotFound);
    }

    #[test]
    fn a_confirmation_that_nobody_waits_for_is_ignored() {
        assert_eq!(Given::opened().hidden().state(), CaseState::Opened);
        let restoring = Given::opened().decided(Decision::Delete).decided(Decision::Restore);
        assert_eq!(restoring.hidden().state(), CaseState::RestoreRequested);
        assert_eq!(Given(vec![]).case().confirm_restore(), vec![]);
    }

    #[test]
    fn deleting_what_is_hidden_already_is_confirmed_at_once() {
        let case = Given::opened().case();

        for visibility in [Visibility::Hidden, Visibility::Gone] {
            let events = case.decide(Decision::Delete, None, moderator(), visibility).unwrap();

            assert_eq!(events.last(), Some(&CaseEvent::DeleteConfirmed {}));
        }
    }

    #[test]
    fn restoring_what_another_case_has_restored_is_confirmed_at_once() {
        let given = Given::opened().decided(Decision::Delete).hidden().decided(Decision::Restore);

        assert_eq!(given.state(), CaseState::RestoreConfirmed);
    }

    #[test]
    fn what_its_author_deleted_does_not_come_back() {
        let case = Given::opened().decided(Decision::Delete).hidden().case();

        assert_eq!(
            case.decide(Decision::Restore, None, moderator(), Visibility::Gone),
            Err(CaseError::ContentGone)
        );
    }

    #[test]
    fn a_restoration_that_cannot_come_any_more_can_be_given_up() {
        let case = Given::opened().decided(Decision::Delete).decided(Decision::Restore).case();

        let events = case.decide(Decision::Delete, None, moderator(), Visibility::Gone).unwrap();

        assert_eq!(events.last(), Some(&CaseEvent::DeleteConfirmed {}));
    }

    #[test]
    fn a_decider_may_have_other_reasons_than_the_analysis() {
        let reasons = |given: Option<Vec<ModerationReason>>| {
            let events = Given::opened().case().decide(
                Decision::Delete,
                given,
                moderator(),
                Visibility::Visible,
            );
            let CaseEvent::Decided { reasons, .. } = events.unwrap().remove(0) else {
                panic!("a decision comes first")
            };
            reasons
        };

        assert_eq!(reasons(None), [ModerationReason::Spam]);
        assert_eq!(reasons(Some(vec![ModerationReason::Threat])), [ModerationReason::Threat]);
    }

    #[test]
    fn every_version_of_some_content_has_a_case_of_its_own() {
        assert_eq!(case_id(&SUBJECT, 1), case_id(&SUBJECT, 1));
        assert_ne!(case_id(&SUBJECT, 1), case_id(&SUBJECT, 2));
    }
}
