//! One file per wire form that was ever written: `<wire name>.json`, or `<wire name>.<what is special>.json`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use shared_schemas::RawEvent;

use crate::category::{self, Category};

/// Where the files are.
pub(crate) fn dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"))
}

/// Every golden file, by its name.
pub(crate) fn files() -> BTreeMap<String, RawEvent> {
    let names = fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().path());
    let golden = names.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = golden.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let event = serde_json::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name} is no event: {error}"));
        (name, event)
    });
    read.collect()
}

/// The enum that reads an event; a file that nobody reads is an orphan.
pub(crate) fn reader<'a>(categories: &'a [Category], event: &RawEvent) -> &'a Category {
    let aggregate = event.event_type.split('.').next().unwrap();
    categories
        .iter()
        .find(|category| category.name == aggregate)
        .unwrap_or_else(|| panic!("no event enum reads {}", event.event_type))
}

#[test]
fn every_golden_file_decodes_and_encodes_back_to_itself() {
    let categories = category::all();
    for (name, event) in files() {
        let category = reader(&categories, &event);

        let rewritten = (category.rewrite)(event.clone())
            .unwrap_or_else(|error| panic!("{name}: {error:?}"))
            .unwrap_or_else(|| panic!("{name} is an orphan: its type is not known any more"));

        if category.current.contains(&event.event_type) {
            assert_eq!(rewritten, event, "{name}");
        } else {
            // A superseded form is read for ever and never written again.
            assert!(category.current.contains(&rewritten.event_type), "{name}");
        }
    }
}

#[test]
fn a_golden_file_bears_the_name_of_its_type() {
    for (name, event) in files() {
        let rest = name.strip_prefix(&event.event_type);

        assert!(
            rest.is_some_and(|rest| rest.starts_with('.')),
            "{name} holds {}",
            event.event_type
        );
    }
}

#[test]
fn every_event_that_can_be_written_has_a_golden_file() {
    let golden: Vec<String> = files().into_values().map(|event| event.event_type).collect();
    for name in category::all().into_iter().flat_map(|category| category.current) {
        assert!(golden.contains(&name), "golden/{name}.json is missing");
    }
}

#[test]
fn no_golden_file_carries_a_personal_fact() {
    fn names(value: &serde_json::Value, found: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            found.push(name.clone());
            names(value, found);
        }
        value.as_array().into_iter().flatten().for_each(|value| names(value, found));
    }
    for (file, event) in files() {
        let mut fields = Vec::new();
        names(&event.data, &mut fields);
        for personal in ["email", "name", "password", "phone", "address", "ip", "birth", "token"] {
            let found = fields.iter().find(|field| field.split('_').any(|part| part == personal));

            assert_eq!(found, None, "{file}: a fact that must be erasable is in no public event");
        }
    }
}
