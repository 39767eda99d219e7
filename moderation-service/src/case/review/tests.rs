//! Who may do what to a case, and when.

use chrono::DateTime;
use serde_json::Value;
use shared_schemas::{
    PostId,
    moderation::{CaseState, Subject},
};
use uuid::Uuid;

use super::*;
use crate::case::{aggregate::Opening, appeal::Answer};
use event_runtime::Aggregate as _;

const AUTHOR: UserId = UserId(Uuid::from_u128(1));
const ANNA: UserId = UserId(Uuid::from_u128(3));
const BERT: UserId = UserId(Uuid::from_u128(4));

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap()
}

fn by(moderator_id: UserId, now: i64) -> Reviewer {
    Reviewer { moderator_id, is_admin: false, now: minute(now) }
}

fn ruling(by: Reviewer, decision: Decision) -> Ruling {
    let visibility = Visibility::Visible;
    Ruling { by, decision, reasons: None, note: None, visibility, takes_two: false }
}

struct Given(Vec<CaseEvent>);

impl Given {
    fn opened() -> Self {
        let opening = Opening {
            subject: Subject::Post(PostId(Uuid::from_u128(2))),
            subject_version: 1,
            author_id: AUTHOR,
            reasons: vec![ModerationReason::Spam],
            analyser: "test".to_owned(),
            analysis: Value::Null,
            cluster_id: None,
            labels: vec![],
            batch_id: None,
        };
        Self(Case::New.open(opening, None))
    }

    fn case(&self) -> Case {
        self.0.iter().fold(Case::default(), Case::evolve)
    }

    fn then(mut self, command: impl Fn(&Case) -> Result<Vec<CaseEvent>, CaseError>) -> Self {
        self.0.extend(command(&self.case()).unwrap());
        self
    }

    fn removed_by(self, moderator: UserId) -> Self {
        self.then(|case| case.rule(&ruling(by(moderator, 0), Decision::Delete)))
    }

    fn appealed(self) -> Self {
        self.then(|case| case.appeal(AUTHOR, "no"))
    }

    fn answer(
        &self,
        moderator: UserId,
        outcome: AppealOutcome,
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let (by, text) = (by(moderator, 0), "yes".to_owned());
        self.case().answer(&Answer { by, outcome, text, visibility: Visibility::Hidden })
    }
}

#[test]
fn a_claim_keeps_others_away_until_it_expires() {
    let given = Given::opened().then(|case| case.claim(by(ANNA, 0)));
    let claimed = Err(CaseError::Claimed { until: minute(15) });

    assert_eq!(given.case().claim(by(BERT, 14)), claimed);
    assert_eq!(given.case().rule(&ruling(by(BERT, 14), Decision::Dismiss)), claimed);
    assert_eq!(given.case().release(by(BERT, 14)), claimed);
    assert!(given.case().rule(&ruling(by(BERT, 15), Decision::Dismiss)).is_ok());
    assert!(given.case().rule(&ruling(by(ANNA, 3), Decision::Dismiss)).is_ok());
}

#[test]
fn a_claim_that_is_renewed_lasts_longer() {
    let given =
        Given::opened().then(|case| case.claim(by(ANNA, 0))).then(|case| case.claim(by(ANNA, 10)));

    assert_eq!(given.case().claim(by(BERT, 20)), Err(CaseError::Claimed { until: minute(25) }));
}

#[test]
fn a_decision_ends_the_claim() {
    let given = Given::opened()
        .then(|case| case.claim(by(ANNA, 0)))
        .then(|case| case.rule(&ruling(by(ANNA, 1), Decision::Dismiss)));

    assert!(given.case().rule(&ruling(by(BERT, 2), Decision::Delete)).is_ok());
}

#[test]
fn a_removal_of_what_many_saw_takes_two_different_moderators() {
    let two = |moderator| Ruling { takes_two: true, ..ruling(by(moderator, 0), Decision::Delete) };
    let given = Given::opened().then(|case| case.rule(&two(ANNA)));

    assert!(matches!(given.0.last(), Some(CaseEvent::RemovalProposed { moderator_id: ANNA, .. })));
    assert_eq!(given.case().rule(&two(ANNA)), Ok(vec![]));
    let given = given.then(|case| case.rule(&two(BERT)));
    assert_eq!(given.case().existing().unwrap().state, CaseState::DeleteRequested);
    // Both have decided, so neither answers the appeal.
    let given = given.appealed();
    for decider in [ANNA, BERT] {
        let answer = given.answer(decider, AppealOutcome::Upheld);
        assert_eq!(answer, Err(CaseError::OwnDecision));
    }
}

#[test]
fn a_dismissal_forgets_the_proposal() {
    let two = |moderator| Ruling { takes_two: true, ..ruling(by(moderator, 0), Decision::Delete) };
    let given = Given::opened()
        .then(|case| case.rule(&two(ANNA)))
        .then(|case| case.rule(&ruling(by(ANNA, 0), Decision::Dismiss)))
        .then(|case| case.rule(&two(BERT)));

    assert!(matches!(given.0.last(), Some(CaseEvent::RemovalProposed { moderator_id: BERT, .. })));
}

#[test]
fn a_second_removal_can_be_appealed_against_anew() {
    let given = Given::opened().removed_by(ANNA).appealed();
    let overturned = given.answer(BERT, AppealOutcome::Overturned).unwrap();
    let given = Given(given.0.into_iter().chain(overturned).collect())
        .then(|case| Ok(case.confirm_restore()))
        .removed_by(BERT);

    assert!(given.case().appeal(AUTHOR, "again").is_ok());
}

#[test]
fn a_restoration_answers_the_appeal_that_waits() {
    let given = Given::opened().removed_by(ANNA).appealed();

    let events = given.case().rule(&ruling(by(ANNA, 0), Decision::Restore)).unwrap();

    assert!(events.iter().any(|event| matches!(
        event,
        CaseEvent::AppealResolved { outcome: AppealOutcome::Overturned, .. }
    )));
}

#[test]
fn what_a_text_said_is_kept_with_the_first_report_alone() {
    let given = Given::opened().then(|case| Ok(case.report(ModerationReason::Spam, "a", "b")));

    assert_eq!(given.0.len(), 3);
    assert_eq!(given.case().report(ModerationReason::Spam, "c", "d").len(), 1);
}

#[test]
fn the_policy_still_removes_what_was_reported_before_it_was_judged() {
    let opening = |analyser: &str| Opening {
        subject: Subject::Post(PostId(Uuid::from_u128(2))),
        subject_version: 1,
        author_id: AUTHOR,
        reasons: vec![ModerationReason::Threat],
        analyser: analyser.to_owned(),
        analysis: Value::Null,
        cluster_id: None,
        labels: vec![],
        batch_id: None,
    };
    let reported = Given(Case::New.open(opening("reports"), None));

    let removed = reported.case().open(opening("test"), Some(Visibility::Visible));

    assert!(matches!(removed.as_slice(), [CaseEvent::Decided { decision: Decision::Delete, .. }]));
    let dismissed = reported.then(|case| case.rule(&ruling(by(ANNA, 0), Decision::Dismiss)));
    assert_eq!(dismissed.case().open(opening("test"), Some(Visibility::Visible)), vec![]);
}
