//! Every event enum of the contract, with its type erased.

use serde_json::json;
use shared_schemas::{
    DecodeError, Event, RawEvent, Service, clearance::ClearanceEvent, comment::CommentEvent,
    connection::ConnectionEvent, consent::ConsentEvent, lane::LaneEvent, mint::MintEvent,
    moderation::CaseEvent, notification::NotificationEvent, post::PostEvent,
    reaction::ReactionEvent, session::SessionEvent, signing_key::SigningKeyEvent,
    standing::StandingEvent, user::UserEvent, view::ViewEvent, wallet::WalletEvent,
};

/// One event enum.
#[derive(Debug)]
pub(crate) struct Category {
    /// The first part of its wire names.
    pub(crate) name: &'static str,
    /// Who records it.
    pub(crate) service: Service,
    /// The wire names that the enum writes now.
    pub(crate) current: Vec<String>,
    /// Reads a wire form and writes it again, in the form of today.
    pub(crate) rewrite: fn(RawEvent) -> Result<Option<RawEvent>, DecodeError>,
}

/// All of them. The golden file of an enum that is missing here has no reader, and that is a failure.
pub(crate) fn all() -> Vec<Category> {
    vec![
        of::<UserEvent>(),
        of::<SessionEvent>(),
        of::<ConnectionEvent>(),
        of::<SigningKeyEvent>(),
        of::<PostEvent>(),
        of::<CommentEvent>(),
        of::<ReactionEvent>(),
        of::<ViewEvent>(),
        of::<CaseEvent>(),
        of::<ClearanceEvent>(),
        of::<StandingEvent>(),
        of::<NotificationEvent>(),
        of::<MintEvent>(),
        of::<LaneEvent>(),
        of::<WalletEvent>(),
        of::<ConsentEvent>(),
    ]
}

fn of<E: Event>() -> Category {
    Category {
        name: E::CATEGORY,
        service: E::SERVICE,
        current: names::<E>(),
        rewrite: rewrite::<E>,
    }
}

fn rewrite<E: Event>(event: RawEvent) -> Result<Option<RawEvent>, DecodeError> {
    Ok(E::decode(event)?.map(|event| event.encode().unwrap()))
}

/// The wire names of an enum, as serde lists them when it is asked for one that cannot be.
fn names<E: Event>() -> Vec<String> {
    let Err(error) = serde_json::from_value::<E>(json!({ "type": "" })) else {
        panic!("{} reads an event without a type", E::CATEGORY);
    };
    // unknown variant ``, expected one of `a`, `b`
    let error = error.to_string();
    error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_wire_name_is_its_category_a_past_tense_and_a_version() {
    for category in all() {
        assert!(!category.current.is_empty(), "{} has no events", category.name);
        for name in &category.current {
            let parts: Vec<&str> = name.split('.').collect();
            let [aggregate, fact, version] = parts[..] else {
                panic!("{name} has not three parts")
            };

            assert_eq!(aggregate, category.name, "{name}");
            assert!(fact.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(version.strip_prefix('v').unwrap().parse::<u32>().unwrap() > 0, "{name}");
        }
    }
}

#[test]
fn every_service_that_records_events_has_a_category_and_no_category_is_listed_twice() {
    let categories = all();
    for service in Service::ALL {
        assert!(categories.iter().any(|category| category.service == *service), "{service}");
    }
    for (at, category) in categories.iter().enumerate() {
        assert!(categories.iter().skip(at + 1).all(|other| other.name != category.name));
    }
}
