//! The rules of a case, told in histories.

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
        cluster_id: None,
        labels: vec![],
        batch_id: None,
    }
}

#[test]
fn what_the_screening_labels_bears_the_label_from_the_start() {
    let labels = vec![ContentLabel::HelpOffered];
    let events = Case::New.open(Opening { labels: labels.clone(), ..opening() }, None);

    assert!(matches!(&events[1], CaseEvent::Labelled { labels: given, .. } if *given == labels));
    assert_eq!(Given(events).case(), {
        let Case::Open(open) = Given::opened().case() else { unreachable!() };
        Case::Open(Open { labels, ..open })
    });
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
        self.0
            .extend(self.case().decide(decision, None, moderator(), Visibility::Visible).unwrap());
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
        [_, CaseEvent::Decided { decision: Decision::Delete, decided_by: Decider::Policy { version, .. }, .. }]
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
    let events = hidden.decide(Decision::Restore, None, moderator(), Visibility::Hidden).unwrap();

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
