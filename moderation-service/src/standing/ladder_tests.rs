use event_runtime::Aggregate as _;
use shared_schemas::user::AccountStatus;
use uuid::Uuid;

use super::{
    super::aggregate::{Imposing, STRIKE},
    *,
};

const ADMIN: UserId = UserId(Uuid::from_u128(2));

fn hour(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(hour * 3_600, 0).unwrap()
}

fn given(events: &[StandingEvent]) -> Standing {
    events.iter().fold(Standing::default(), Standing::evolve)
}

fn case(number: u128) -> CaseId {
    CaseId(Uuid::from_u128(number))
}

/// Adds a strike as of some hour by the default ladder, and says what else happened.
fn strike(history: &mut Vec<StandingEvent>, number: u128, at: i64) -> Vec<StandingEvent> {
    let removal = Removal {
        case_id: case(number),
        at: hour(at),
        reasons: vec![ModerationReason::Spam],
        sanction_id: SanctionId(Uuid::from_u128(number)),
        now: hour(at),
    };
    let events = given(history).strike(&removal, &DEFAULT.parse().unwrap());
    assert!(matches!(events.first(), Some(StandingEvent::StrikeAdded { .. })), "{events:?}");
    history.extend(events.clone());
    events.into_iter().skip(1).collect()
}

fn withdraw(history: &mut Vec<StandingEvent>, number: u128, at: i64) -> Vec<StandingEvent> {
    let events = given(history).withdraw(case(number), hour(at));
    history.extend(events.clone());
    events.into_iter().skip(1).collect()
}

/// The kind of a sanction, its end, and what the person may do then.
fn imposed(events: &[StandingEvent]) -> Option<(SanctionKind, DateTime<Utc>, AccountStatus)> {
    match events {
        [
            StandingEvent::Sanctioned { kind, until: Some(until), moderator_id: None, .. },
            StandingEvent::Restricted { status, .. },
        ] => Some((*kind, *until, *status)),
        _ => None,
    }
}

#[test]
fn the_third_strike_mutes_the_fifth_suspends_and_the_eighth_asks_a_person() {
    let mut history = Vec::new();
    let follows: Vec<_> = (1..=9).map(|number| strike(&mut history, number, 0)).collect();

    let muted = (SanctionKind::Mute, hour(24), AccountStatus::Muted);
    let suspended = (SanctionKind::Suspend, hour(7 * 24), AccountStatus::Suspended);
    assert_eq!(imposed(&follows[2]), Some(muted));
    assert_eq!(imposed(&follows[4]), Some(suspended));
    let asked = StandingEvent::ReviewRequested { strikes: 8, case_id: case(8) };
    assert_eq!(follows[7], [asked]);
    for quiet in [0, 1, 3, 5, 6, 8] {
        assert_eq!(follows[quiet], [], "strike {}", quiet + 1);
    }
    let is_ban = |event: &StandingEvent| {
        matches!(event, StandingEvent::Sanctioned { kind: SanctionKind::Ban, .. })
    };
    assert!(!history.iter().any(is_ban));
}

#[test]
fn the_same_removal_again_leads_to_nothing() {
    let mut history = Vec::new();
    for number in 1..=3 {
        strike(&mut history, number, 0);
    }
    let removal = Removal {
        case_id: case(3),
        at: hour(0),
        reasons: vec![],
        sanction_id: SanctionId(Uuid::from_u128(9)),
        now: hour(1),
    };

    assert_eq!(given(&history).strike(&removal, &DEFAULT.parse().unwrap()), []);
}

#[test]
fn strikes_that_have_expired_do_not_count() {
    let mut history = Vec::new();
    let later = STRIKE.num_hours();
    strike(&mut history, 1, 0);
    strike(&mut history, 2, 0);

    assert_eq!(strike(&mut history, 3, later), []);
    assert_eq!(strike(&mut history, 4, later), []);
    assert!(imposed(&strike(&mut history, 5, later)).is_some());
}

#[test]
fn a_removal_that_is_heard_of_after_its_strike_has_expired_leads_to_nothing() {
    let mut history = Vec::new();
    for number in 1..=2 {
        strike(&mut history, number, STRIKE.num_hours());
    }
    let removal = Removal {
        case_id: case(3),
        at: hour(0),
        reasons: vec![],
        sanction_id: SanctionId(Uuid::from_u128(3)),
        now: hour(STRIKE.num_hours()),
    };
    let ladder: Ladder = "2 suspend 7d".parse().unwrap();

    assert_eq!(given(&history).strike(&removal, &ladder).len(), 1);
}

#[test]
fn a_strike_that_is_taken_back_takes_back_what_no_longer_holds_and_nothing_else() {
    let mut history = Vec::new();
    for number in 1..=6 {
        strike(&mut history, number, 0);
    }

    // Five are left, which is enough for both sanctions.
    assert_eq!(withdraw(&mut history, 1, 1), []);
    let ended = |id: u128| StandingEvent::SanctionEnded {
        sanction_id: SanctionId(Uuid::from_u128(id)),
        end: SanctionEnd::Lifted,
        moderator_id: None,
    };
    let restricted = |status, until| StandingEvent::Restricted { status, until };
    let muted = restricted(AccountStatus::Muted, Some(hour(24)));
    assert_eq!(withdraw(&mut history, 2, 1), [ended(5), muted]);
    assert_eq!(withdraw(&mut history, 3, 1), []);
    let active = restricted(AccountStatus::Active, None);
    assert_eq!(withdraw(&mut history, 4, 1), [ended(3), active]);
    assert_eq!(withdraw(&mut history, 4, 1), []);

    // And the next one is the third again.
    assert!(imposed(&strike(&mut history, 7, 2)).is_some());
}

#[test]
fn what_a_person_imposed_outlives_the_strikes() {
    let mut history = Vec::new();
    let imposing = Imposing {
        id: SanctionId(Uuid::from_u128(90)),
        kind: SanctionKind::Suspend,
        until: Some(hour(48)),
        reasons: vec![ModerationReason::Spam],
        statement: "You sent nothing but advertisements.".to_owned(),
        case_id: Some(case(1)),
        moderator_id: ADMIN,
        is_admin: true,
        now: hour(0),
    };
    strike(&mut history, 1, 0);
    history.extend(given(&history).impose(&imposing).unwrap());

    assert_eq!(withdraw(&mut history, 1, 1), []);
}

#[test]
fn a_review_ends_by_a_person_or_by_strikes_that_are_taken_back() {
    let mut history = Vec::new();
    for number in 1..=8 {
        strike(&mut history, number, 0);
    }
    let closed = |moderator_id| StandingEvent::ReviewClosed { moderator_id };
    assert_eq!(given(&history).close_review(ADMIN), [closed(Some(ADMIN))]);
    assert!(withdraw(&mut history.clone(), 8, 1).contains(&closed(None)));

    let ban = Imposing {
        id: SanctionId(Uuid::from_u128(90)),
        kind: SanctionKind::Ban,
        until: None,
        reasons: vec![ModerationReason::Spam],
        statement: "Nothing but advertisements.".to_owned(),
        case_id: None,
        moderator_id: ADMIN,
        is_admin: true,
        now: hour(1),
    };
    history.extend(given(&history).impose(&ban).unwrap());

    assert!(history.contains(&closed(Some(ADMIN))));
    assert_eq!(given(&history).close_review(ADMIN), []);
}

#[test]
fn a_ladder_says_what_is_wrong_with_it() {
    assert_eq!("none".parse(), Ok(Ladder::default()));
    assert!(DEFAULT.parse::<Ladder>().is_ok());
    for wrong in ["", "3", "3 ban", "3 ban 7d", "x mute 1h", "3 review 7d", "3 mute"] {
        assert!(matches!(wrong.parse::<Ladder>(), Err(LadderError::Rung(_))), "{wrong}");
    }
    for wrong in ["3 mute 24", "3 mute 0h", "3 mute -1h", "3 suspend 367d", "3 mute h", "3 mute 1é"]
    {
        assert!(matches!(wrong.parse::<Ladder>(), Err(LadderError::Duration(_))), "{wrong}");
    }
    for wrong in ["0 mute 1h", "3 mute 1h, 3 suspend 1d", "5 mute 1h, 3 review"] {
        assert_eq!(wrong.parse::<Ladder>(), Err(LadderError::Order), "{wrong}");
    }
}
