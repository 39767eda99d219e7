//! Writing stored events to a stream, each at its own place, whoever else writes them.

use fred::{clients::Client, interfaces::LuaInterface, types::Value};

use crate::{
    RecordedEvent, RuntimeError,
    redis::once,
    stream::{FIELDS, encode},
};

const SCRIPT: &str = include_str!("publish.lua");

/// The same, for a stream that ends by itself a minute after the last call that found it where it was expected or not.
const SCRIPT_FOR_A_WHILE: &str = concat!(
    "local function append()\n",
    include_str!("publish.lua"),
    "\nend\nlocal last = append()\nredis.call('EXPIRE', KEYS[1], 60)\nreturn last"
);

/// Events per script call. Redis serves nobody else meanwhile; at this size it is about a millisecond.
pub(crate) const BATCH: i64 = 500;

/// Appends consecutive events to a stream whose last sequence number is `last`, 0 if it is empty. Returns its last one after
/// the call: another than that of the last event means that the batch was refused, because the stream ends elsewhere.
///
/// # Errors
///
/// If Redis does not answer, or an event cannot be encoded. Whether a batch without an answer was written is not known.
pub(crate) async fn append(
    redis: &Client,
    key: &str,
    last: u64,
    events: &[RecordedEvent],
) -> Result<u64, RuntimeError> {
    run(SCRIPT, redis, key, last, events).await
}

/// The same, to a stream that Redis forgets a minute after the last call.
///
/// # Errors
///
/// As [`append`].
pub(crate) async fn append_for_a_while(
    redis: &Client,
    key: &str,
    last: u64,
    events: &[RecordedEvent],
) -> Result<u64, RuntimeError> {
    run(SCRIPT_FOR_A_WHILE, redis, key, last, events).await
}

async fn run(
    script: &'static str,
    redis: &Client,
    key: &str,
    last: u64,
    events: &[RecordedEvent],
) -> Result<u64, RuntimeError> {
    let mut arguments: Vec<Value> = vec![last.to_string().into(), FIELDS.len().to_string().into()];
    for event in events {
        arguments.push(event.sequence.unwrap_or_default().to_string().into());
        for (name, value) in FIELDS.into_iter().zip(encode(event)?) {
            arguments.push(name.into());
            arguments.push(value.into());
        }
    }
    let last: String = once(redis).eval(script, key, arguments).await?;
    Ok(last.parse().unwrap_or(0))
}
