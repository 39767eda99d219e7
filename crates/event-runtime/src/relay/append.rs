//! Writing stored events to a stream, each at its own place, whoever else writes them.

use fred::{clients::Client, interfaces::LuaInterface, types::Value};

use crate::{
    RecordedEvent, RuntimeError,
    redis::once,
    stream::encode,
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

/// Events in the form in which a stream has them.
pub(crate) struct Batch {
    /// For each event its sequence number and its field.
    arguments: Vec<Value>,
    /// Of all fields.
    bytes: usize,
}

impl Batch {
    /// Encodes consecutive events.
    ///
    /// # Errors
    ///
    /// If one has no JSON form.
    pub(crate) fn of(events: &[RecordedEvent]) -> Result<Self, RuntimeError> {
        let (mut arguments, mut bytes) = (Vec::with_capacity(1 + 2 * events.len()), 0);
        for event in events {
            let field = encode(event)?;
            bytes += field.len();
            arguments.push(event.sequence.unwrap_or_default().to_string().into());
            arguments.push(field.into());
        }
        Ok(Self { arguments, bytes })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Appends a batch to a stream whose last sequence number is `last`, 0 if it is empty. Returns its last one after the call:
/// another than that of the batch's last event means that it was refused, because the stream ends elsewhere.
///
/// # Errors
///
/// If Redis does not answer. Whether a batch without an answer was written is not known.
pub(crate) async fn append(
    redis: &Client,
    key: &str,
    last: u64,
    batch: Batch,
) -> Result<u64, RuntimeError> {
    run(SCRIPT, redis, key, last, batch).await
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
    batch: Batch,
) -> Result<u64, RuntimeError> {
    run(SCRIPT_FOR_A_WHILE, redis, key, last, batch).await
}

async fn run(
    script: &'static str,
    redis: &Client,
    key: &str,
    last: u64,
    mut batch: Batch,
) -> Result<u64, RuntimeError> {
    batch.arguments.push(last.to_string().into());
    let last: String = once(redis).eval(script, key, batch.arguments).await?;
    Ok(last.parse().unwrap_or(0))
}
