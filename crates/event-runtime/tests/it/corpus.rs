//! Bytes that a fuzzer found worth keeping, and others, as entries of a stream.

use std::path::Path;

use event_runtime::stream::{FIELD, StreamKey, decode, encode};
use fred::types::Value;
use proptest::prelude::*;
use shared_schemas::Service;

fn bytes(part: &[u8]) -> Value {
    Value::Bytes(part.to_vec().into())
}

/// Reads an entry whose parts have 0x1E between them, and what is written of it.
fn read(input: &[u8]) -> bool {
    let mut parts = input.split(|byte| *byte == 0x1e);
    let id = bytes(parts.next().unwrap_or_default());
    let pair = Value::Array(vec![id, Value::Array(parts.map(bytes).collect())]);
    let key = StreamKey::new(Service::Post, 0);
    let Ok(event) = decode(key, pair) else { return false };
    let fields = vec![FIELD.into(), encode(&event).unwrap().into()];
    let id = format!("{}-0", event.sequence.unwrap()).into();
    let again = decode(key, Value::Array(vec![id, Value::Array(fields)])).unwrap();
    assert_eq!((again.id, again.aggregate_id), (event.id, event.aggregate_id));
    assert_eq!(again.occurred_at.timestamp_micros(), event.occurred_at.timestamp_micros());
    true
}

#[test]
fn everything_in_the_corpus_is_an_event_or_an_error() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/entry");
    let (mut events, mut files) = (0, 0);
    for file in std::fs::read_dir(corpus).unwrap() {
        let input = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        events += usize::from(read(&input));
    }
    assert!(files > 25 && events > 5 && events < files, "{events} events in {files} files");
}

/// Values of any shape, as a reply could be.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Double),
        prop_oneof![Just("7-0".to_owned()), "[0-9]{1,25}-[0-9]", any::<String>()]
            .prop_map(|text| Value::String(text.into())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|raw| Value::Bytes(raw.into())),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Value::Array))
}

proptest! {
    #[test]
    fn any_value_is_an_event_or_an_error(value in value()) {
        drop(decode(StreamKey::new(Service::Post, 0), value));
    }

    #[test]
    fn any_bytes_are_an_event_or_an_error(input in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&input);
    }
}
