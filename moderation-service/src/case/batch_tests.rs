//! What batches may do to a case, and what undoing them leaves.

use event_runtime::Aggregate as _;
use proptest::prelude::*;
use serde_json::Value;
use shared_schemas::{
    PostId,
    moderation::{ModerationReason, Subject},
};
use uuid::Uuid;

use super::*;
use crate::case::{
    appeal::Answer,
    review::{Reviewer, Ruling},
};

const AUTHOR: UserId = UserId(Uuid::from_u128(1));
const ANNA: UserId = UserId(Uuid::from_u128(3));
const ONE: BatchId = BatchId(Uuid::from_u128(10));
const OTHER: BatchId = BatchId(Uuid::from_u128(11));

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(60, 0).unwrap()
}

fn opening(batch_id: Option<BatchId>) -> Opening {
    Opening {
        subject: Subject::Post(PostId(Uuid::from_u128(2))),
        subject_version: 1,
        author_id: AUTHOR,
        reasons: vec![ModerationReason::Spam],
        analyser: "old".to_owned(),
        analysis: Value::Null,
        cluster_id: None,
        labels: vec![],
        batch_id,
    }
}

/// A case with its history, and whether its content is seen.
#[derive(Clone, Debug)]
struct Given {
    events: Vec<CaseEvent>,
    visibility: Visibility,
}

impl Given {
    /// No case at all.
    fn allowed() -> Self {
        Self { events: vec![], visibility: Visibility::Visible }
    }

    /// A case that waits.
    fn held() -> Self {
        Self { events: Case::New.open(opening(None), None), ..Self::allowed() }
    }

    /// Content that the policy removed.
    fn removed() -> Self {
        let removal = Some(Visibility::Visible);
        Self { events: Case::New.open(opening(None), removal), ..Self::allowed() }.carried_out()
    }

    fn case(&self) -> Case {
        self.events.iter().fold(Case::default(), Case::evolve)
    }

    fn state(&self) -> Option<CaseState> {
        match self.case() {
            Case::Open(open) => Some(open.state),
            Case::New => None,
        }
    }

    fn flip(&self, batch_id: BatchId, to: Verdict) -> Result<Vec<CaseEvent>, Untouched> {
        let opening = Opening { analyser: "new".to_owned(), ..opening(Some(batch_id)) };
        let visibility = self.visibility;
        self.case().flip(&Flip { batch_id, to, opening, visibility, now: now() })
    }

    fn flipped(mut self, batch_id: BatchId, to: Verdict) -> Self {
        self.events.extend(self.flip(batch_id, to).unwrap());
        self.carried_out()
    }

    fn undo(&self, batch_id: BatchId) -> Result<Vec<CaseEvent>, Untouched> {
        let (asked_by, visibility) = (ANNA, self.visibility);
        self.case().undo(&Undoing { batch_id, asked_by, visibility, now: now() })
    }

    fn undone(mut self, batch_id: BatchId) -> Self {
        self.events.extend(self.undo(batch_id).unwrap());
        self.carried_out()
    }

    /// After the content's service has done what was asked.
    fn carried_out(mut self) -> Self {
        match self.state() {
            Some(CaseState::DeleteRequested) => {
                self.visibility = Visibility::Hidden;
                self.events.extend(self.case().confirm_delete());
            }
            Some(CaseState::RestoreRequested) => {
                self.visibility = Visibility::Visible;
                self.events.extend(self.case().confirm_restore());
            }
            Some(_) | None => (),
        }
        self
    }

    fn ruled(mut self, decision: Decision) -> Self {
        let by = Reviewer { moderator_id: ANNA, is_admin: false, now: now() };
        let visibility = self.visibility;
        let ruling =
            Ruling { by, decision, reasons: None, note: None, visibility, takes_two: false };
        self.events.extend(self.case().rule(&ruling).unwrap());
        self.carried_out()
    }

    fn with(mut self, event: CaseEvent) -> Self {
        self.events.push(event);
        self
    }
}

#[test]
fn every_change_of_a_verdict_is_carried_out_and_undone_exactly() {
    for (before, to, then, seen) in [
        (Given::allowed(), Verdict::Hold, CaseState::Opened, Visibility::Visible),
        (Given::allowed(), Verdict::Remove, CaseState::DeleteConfirmed, Visibility::Hidden),
        (Given::held(), Verdict::Remove, CaseState::DeleteConfirmed, Visibility::Hidden),
        (Given::held(), Verdict::Allow, CaseState::Dismissed, Visibility::Visible),
        (Given::removed(), Verdict::Allow, CaseState::RestoreConfirmed, Visibility::Visible),
        (Given::removed(), Verdict::Hold, CaseState::RestoreConfirmed, Visibility::Visible),
    ] {
        let after = before.clone().flipped(ONE, to);
        assert_eq!((after.state(), after.visibility), (Some(then), seen), "{before:?}");
        assert_eq!(after.flip(ONE, to), Ok(vec![]), "a second time changes nothing");

        let undone = after.undone(ONE);
        assert_eq!(undone.case(), before.case());
        assert_eq!(undone.visibility, before.visibility);
        assert_eq!(undone.undo(ONE), Ok(vec![]), "nothing is left to be undone");
    }
}

#[test]
fn whoever_decided_is_not_overruled() {
    let dismissed = Given::held().ruled(Decision::Dismiss);
    let removed = Given::held().ruled(Decision::Delete);
    let restored = Given::removed().ruled(Decision::Restore);

    assert_eq!(dismissed.flip(ONE, Verdict::Remove), Err(Untouched::DecidedByPerson));
    assert_eq!(removed.flip(ONE, Verdict::Allow), Err(Untouched::DecidedByPerson));
    assert_eq!(restored.flip(ONE, Verdict::Remove), Err(Untouched::DecidedByPerson));
}

#[test]
fn a_person_who_decided_after_the_batch_is_not_overruled_by_undoing_it() {
    let held = Given::allowed().flipped(ONE, Verdict::Hold).ruled(Decision::Delete);
    let restored = Given::held().flipped(ONE, Verdict::Remove).ruled(Decision::Restore);

    assert_eq!(held.undo(ONE), Err(Untouched::DecidedByPerson));
    assert_eq!(restored.undo(ONE), Err(Untouched::DecidedByPerson));
}

#[test]
fn what_people_have_in_hand_or_asked_for_is_left_to_them() {
    let until = now() + chrono::TimeDelta::minutes(1);
    let claimed = Given::held().with(CaseEvent::Claimed { moderator_id: ANNA, until });
    let reported = Given::held()
        .with(CaseEvent::EvidenceKept { text: String::new(), text_sha256: String::new() });
    let appealed = Given::removed().with(CaseEvent::Appealed {});
    let noted = Given::allowed()
        .flipped(ONE, Verdict::Hold)
        .with(CaseEvent::Noted { moderator_id: ANNA, note: "a word".to_owned() });

    assert_eq!(claimed.flip(ONE, Verdict::Remove), Err(Untouched::InHands));
    assert_eq!(reported.flip(ONE, Verdict::Allow), Err(Untouched::Reported));
    assert_eq!(appealed.flip(ONE, Verdict::Allow), Err(Untouched::Appealed));
    assert_eq!(noted.undo(ONE), Err(Untouched::InHands));
}

#[test]
fn undoing_answers_the_appeals_against_what_it_undoes() {
    let appealed = Given::held().flipped(ONE, Verdict::Remove).with(CaseEvent::Appealed {});
    let events = appealed.undo(ONE).unwrap();
    let undone = appealed.undone(ONE);

    assert!(events.iter().any(|event| matches!(
        event,
        CaseEvent::AppealResolved { outcome: AppealOutcome::Overturned, moderator_id: ANNA, .. }
    )));
    assert_eq!(undone.case(), Given::held().case());
    let answer = Answer {
        by: Reviewer { moderator_id: AUTHOR, is_admin: true, now: now() },
        outcome: AppealOutcome::Upheld,
        text: String::new(),
        visibility: Visibility::Visible,
    };
    assert_eq!(undone.case().answer(&answer), Err(CaseError::NoAppeal));
}

#[test]
fn what_its_author_deleted_is_undone_without_coming_back() {
    let mut gone = Given::held().flipped(ONE, Verdict::Remove);
    gone.visibility = Visibility::Gone;

    assert_eq!(gone.undone(ONE).case(), Given::held().case());
}

proptest! {
    /// Batches one after the other, undone from the last to the first, leave the case as it was.
    #[test]
    fn batches_are_undone_in_layers(start in 0..3_u8, first in 0..3_u8, second in 0..3_u8) {
        let verdict = |number| match number {
            0 => Verdict::Allow,
            1 => Verdict::Hold,
            _ => Verdict::Remove,
        };
        let before = match start {
            0 => Given::allowed(),
            1 => Given::held(),
            _ => Given::removed(),
        };
        let Ok(_) = before.flip(ONE, verdict(first)) else { return Ok(()) };
        let once = before.clone().flipped(ONE, verdict(first));
        if once.flip(OTHER, verdict(second)).is_ok() {
            let twice = once.clone().flipped(OTHER, verdict(second));
            prop_assert_eq!(twice.undo(ONE), Err(Untouched::LaterBatch));
            let back = twice.undone(OTHER);
            prop_assert_eq!(back.case(), once.case());
            prop_assert_eq!(back.undone(ONE).case(), before.case());
        } else {
            prop_assert_eq!(once.undone(ONE).case(), before.case());
        }
    }
}
