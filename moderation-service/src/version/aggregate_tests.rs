use shared_schemas::RawEvent;

use super::*;

fn id(number: u8) -> VersionId {
    VersionId(format!("{number:064x}"))
}

fn proposed(number: u8) -> Proposed {
    Proposed { version: id(number), files: BTreeMap::new(), note: None, by: None }
}

fn promotion(number: u8, judged: u64, forced: Option<&str>) -> Promoted {
    Promoted {
        version: id(number),
        previous: None,
        band: None,
        in_shadow: FlagRate { flagged: 1, judged },
        forced: forced.map(str::to_owned),
        by: UserId(Uuid::from_u128(1)),
    }
}

fn fall(number: u8) -> RolledBack {
    RolledBack {
        version: id(number),
        to: None,
        flag_rate: FlagRate { flagged: 50, judged: 100 },
        band: Some(Band { low: 0, high: 20_000, minimum: 100 }),
        because: "Its flag rate left its band.".to_owned(),
        by: None,
    }
}

fn after(versions: Versions, events: &[VersionEvent]) -> Versions {
    events.iter().fold(versions, Versions::evolve)
}

/// Three known versions.
fn known() -> Versions {
    (1..=3).fold(Versions::default(), |versions, number| {
        let events = versions.propose(proposed(number));
        after(versions, &events)
    })
}

#[test]
fn the_same_files_are_proposed_once() {
    assert_eq!(known().propose(proposed(1)), []);
    assert_eq!(known().propose(proposed(4)).len(), 1);
}

#[test]
fn two_versions_are_in_shadow_at_most() {
    let mut versions = known();
    for number in 1..=2 {
        let events = versions.start_shadow(&id(number), false).unwrap();
        versions = after(versions, &events);
    }

    assert_eq!(versions.start_shadow(&id(1), false), Ok(vec![]), "it is in shadow already");
    assert_eq!(versions.start_shadow(&id(3), false), Err(VersionError::TooManyShadows));
    let ended = versions.end_shadow(&id(1)).unwrap();
    assert_eq!(after(versions, &ended).start_shadow(&id(3), false).unwrap().len(), 1);
}

#[test]
fn an_instance_with_other_files_takes_the_place_of_the_one_before() {
    let events = known().start_shadow(&id(1), true).unwrap();
    let versions = after(known(), &events);

    let events = versions.start_shadow(&id(2), true).unwrap();

    let replaced = VersionEvent::ShadowEnded { version: id(1), because: ShadowEnd::Replaced };
    assert_eq!(events[0], replaced);
    assert_eq!(after(versions, &events).shadows, BTreeMap::from([(id(2), true)]));
}

#[test]
fn a_version_needs_its_time_in_shadow_or_a_reason() {
    let too_few = known().promote(promotion(1, ENOUGH - 1, None));

    assert_eq!(too_few, Err(VersionError::TooLittleShadow { judged: ENOUGH - 1 }));
    assert_eq!(known().promote(promotion(1, ENOUGH, None)).unwrap().len(), 1);
    assert_eq!(known().promote(promotion(1, 0, Some("A wave of spam."))).unwrap().len(), 1);
    assert_eq!(known().promote(promotion(9, ENOUGH, None)), Err(VersionError::NotFound));
}

#[test]
fn what_falls_gives_way_to_what_was_before_and_needs_force_to_come_back() {
    let mut versions = known();
    for number in 1..=2 {
        let events = versions.promote(promotion(number, ENOUGH, None)).unwrap();
        versions = after(versions, &events);
    }
    assert_eq!(versions.roll_back(fall(1)), Err(VersionError::NotActive));

    let events = versions.roll_back(fall(2)).unwrap();
    let versions = after(versions, &events);

    let VersionEvent::RolledBack(RolledBack { to, .. }) = &events[0] else { panic!("{events:?}") };
    assert_eq!(to, &Some(id(1)));
    assert_eq!(versions.active(), Some(&id(1)));
    let again = versions.promote(promotion(2, ENOUGH, None));
    assert_eq!(again, Err(VersionError::RolledBackBefore));
    let forced = versions.promote(promotion(2, 0, Some("The wave is over."))).unwrap();
    assert_eq!(after(versions, &forced).active(), Some(&id(2)));
}

#[test]
fn before_the_first_version_there_is_the_one_that_was_built_in() {
    let events = known().promote(promotion(1, ENOUGH, None)).unwrap();
    let versions = after(known(), &events);

    let fallen = after(versions.clone(), &versions.roll_back(fall(1)).unwrap());

    assert_eq!(fallen.active(), None);
    assert_eq!(fallen.roll_back(fall(1)), Err(VersionError::NotActive));
}

#[test]
fn a_promotion_ends_the_shadow() {
    let shadow = known().start_shadow(&id(1), false).unwrap();
    let versions = after(known(), &shadow);

    let events = versions.promote(promotion(1, ENOUGH, None)).unwrap();
    let versions = after(versions, &events);

    assert_eq!(versions.shadows, BTreeMap::new());
    assert_eq!(versions.start_shadow(&id(1), false), Err(VersionError::Active));
    assert_eq!(versions.promote(promotion(1, ENOUGH, None)), Ok(vec![]));
}

#[test]
fn the_forms_of_the_events_stay_as_they_are() {
    let forms = [
        (
            VersionEvent::Promoted(Promoted {
                band: Some(Band { low: 5_000, high: 20_000, minimum: 100 }),
                ..promotion(1, 300, None)
            }),
            format!(
                r#"{{"type":"analyser_version.promoted.v1","data":{{"version":"{}","band":{{"low":5000,"high":20000,"minimum":100}},
                "in_shadow":{{"flagged":1,"judged":300}},"by":"00000000-0000-0000-0000-000000000001"}}}}"#,
                id(1)
            ),
        ),
        (
            VersionEvent::RolledBack(RolledBack { to: Some(id(1)), ..fall(2) }),
            format!(
                r#"{{"type":"analyser_version.rolled_back.v1","data":{{"version":"{}","to":"{}","flag_rate":{{"flagged":50,"judged":100}},
                "band":{{"low":0,"high":20000,"minimum":100}},"because":"Its flag rate left its band."}}}}"#,
                id(2),
                id(1)
            ),
        ),
        (
            VersionEvent::ShadowStarted { version: id(1), apart: true },
            format!(
                r#"{{"type":"analyser_version.shadow_started.v1","data":{{"version":"{}","apart":true}}}}"#,
                id(1)
            ),
        ),
        (
            VersionEvent::ShadowEnded { version: id(1), because: ShadowEnd::Replaced },
            format!(
                r#"{{"type":"analyser_version.shadow_ended.v1","data":{{"version":"{}","because":"REPLACED"}}}}"#,
                id(1)
            ),
        ),
        (
            VersionEvent::Proposed(Proposed {
                files: BTreeMap::from([(
                    FileName::Policy,
                    FileHash { sha256: "ab".to_owned(), bytes: 2 },
                )]),
                ..proposed(1)
            }),
            format!(
                r#"{{"type":"analyser_version.proposed.v1","data":{{"version":"{}","files":{{"policy.toml":{{"sha256":"ab","bytes":2}}}}}}}}"#,
                id(1)
            ),
        ),
    ];
    for (event, wire) in forms {
        let wire: RawEvent = serde_json::from_str(&wire).unwrap();

        assert_eq!(event.encode().unwrap(), wire);
        assert_eq!(VersionEvent::decode(wire).unwrap(), Some(event.clone()));
        assert!(!event.is_public());
    }
}
