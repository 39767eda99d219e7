//! Any bytes as an entry of a stream. The input is the id, then names and values in turn, with 0x1E between them.

#![no_main]

use event_runtime::stream::{FIELD, StreamKey, decode, encode};
use fred::types::Value;
use libfuzzer_sys::fuzz_target;
use shared_schemas::{Service, post::PostEvent, user::UserEvent};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0x1e);
    let id = bytes(parts.next().unwrap_or_default());
    let pair = Value::Array(vec![id, Value::Array(parts.map(bytes).collect())]);
    let key = StreamKey::new(Service::Post, 0);
    let Ok(event) = decode(key, pair) else { return };

    // What could be read can be written, and is the same event when it is read again.
    let lines = encode(&event).expect("an event that was read has a form");
    let fields = vec![FIELD.into(), lines.into()];
    let id = format!("{}-0", event.sequence.unwrap_or_default());
    let again = decode(key, Value::Array(vec![id.into(), Value::Array(fields)]))
        .expect("what was written can be read");
    assert_eq!(again.id, event.id);
    assert_eq!(again.sequence, event.sequence);
    assert_eq!(again.aggregate_type, event.aggregate_type);
    assert_eq!(again.aggregate_id, event.aggregate_id);
    assert_eq!(again.aggregate_version, event.aggregate_version);
    assert_eq!(again.raw.event_type, event.raw.event_type);
    assert_eq!(again.occurred_at.timestamp_micros(), event.occurred_at.timestamp_micros());
    serde_json::to_string(&event.envelope()).expect("an envelope has a form");
    drop((event.open::<PostEvent>(), event.open::<UserEvent>()));
});

fn bytes(part: &[u8]) -> Value {
    Value::Bytes(part.to_vec().into())
}
