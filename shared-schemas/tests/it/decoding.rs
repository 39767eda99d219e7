//! What a consumer may be given: anything. Decoding answers, and never panics.

use proptest::{collection, prelude::*, sample};
use serde_json::{Map, Value};
use shared_schemas::RawEvent;

use crate::{category, golden};

/// Any JSON value, four levels deep at most.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        any::<u128>().prop_map(|id| Value::from(uuid::Uuid::from_u128(id).to_string())),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map("[a-z_]{1,12}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A wire name: one that is known, a later version of it, or any text.
fn wire_name() -> impl Strategy<Value = String> {
    let known: Vec<String> =
        category::all().into_iter().flat_map(|category| category.current).collect();
    prop_oneof![
        4 => sample::select(known.clone()),
        1 => (sample::select(known), any::<u32>())
            .prop_map(|(name, version)| format!("{}{version}", name.trim_end_matches(char::is_numeric))),
        1 => ".{0,24}",
    ]
}

/// A golden payload with one field left out or replaced.
fn damaged() -> impl Strategy<Value = RawEvent> {
    let golden: Vec<RawEvent> = golden::files().into_values().collect();
    (sample::select(golden), any::<sample::Index>(), proptest::option::of(json())).prop_map(
        |(mut event, at, value)| {
            if let Value::Object(fields) = &mut event.data
                && !fields.is_empty()
            {
                let name = fields.keys().nth(at.index(fields.len())).unwrap().clone();
                match value {
                    Some(value) => fields.insert(name, value),
                    None => fields.remove(&name),
                };
            }
            event
        },
    )
}

/// Gives an event to every enum; what one of them reads must be read again from what it writes.
fn give_to_all(event: &RawEvent) -> Result<(), TestCaseError> {
    for category in category::all() {
        if let Ok(Some(written)) = (category.rewrite)(event.clone()) {
            prop_assert_eq!(category.name, event.event_type.split('.').next().unwrap());
            let again = (category.rewrite)(written.clone()).unwrap();
            prop_assert_eq!(again, Some(written));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_json_under_any_name_is_answered(name in wire_name(), data in json()) {
        give_to_all(&RawEvent { event_type: name, data })?;
    }

    #[test]
    fn a_damaged_payload_is_answered(event in damaged()) {
        give_to_all(&event)?;
    }

    #[test]
    fn any_bytes_that_are_json_are_an_event_or_an_error(data in json()) {
        if let Ok(event) = serde_json::from_value::<RawEvent>(data) {
            give_to_all(&event)?;
        }
    }
}
