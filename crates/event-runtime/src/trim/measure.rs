//! The size of streams, for operators.

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, StreamsInterface},
    types::{ClusterHash, CustomCommand, Value},
};
use metrics::gauge;

use crate::{
    redis::once,
    stream::{StreamKey, sequence_of},
};

/// What a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The first sequence number in it; `None` if it has no entries.
    pub first: Option<u64>,
    /// The last sequence number ever written to it; 0 if there is no stream.
    pub last: u64,
    /// How many entries it has.
    pub length: u64,
    /// What it takes of Redis's memory, estimated; `None` if Redis does not say.
    pub bytes: Option<u64>,
}

/// Looks at one stream.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn extent(redis: &Client, key: StreamKey) -> Result<Extent, Error> {
    let info: Result<Value, _> = once(redis).xinfo_stream(key.to_string(), false, None).await;
    let info = match info {
        Ok(info) => info,
        Err(error) if error.details().contains("no such key") => return Ok(Extent::default()),
        Err(error) => return Err(error),
    };
    let mut extent = Extent { bytes: bytes(redis, key).await?, ..Extent::default() };
    let Value::Array(fields) = info else { return Ok(extent) };
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name.as_str().as_deref() {
            Some("length") => extent.length = value.as_u64().unwrap_or(0),
            Some("last-generated-id") => {
                extent.last = value.as_str().as_deref().and_then(sequence_of).unwrap_or(0);
            }
            Some("first-entry") => {
                let Value::Array(entry) = value else { continue };
                let id = entry.into_iter().next().and_then(Value::into_string);
                extent.first = id.as_deref().and_then(sequence_of);
            }
            _ => (),
        }
    }
    Ok(extent)
}

/// A user who may not ask is answered like one who asks a server that does not know.
async fn bytes(redis: &Client, key: StreamKey) -> Result<Option<u64>, Error> {
    let hash = ClusterHash::Custom(fred::util::redis_keyslot(key.to_string().as_bytes()));
    let command = CustomCommand::new_static("MEMORY", hash, false);
    let words = vec!["USAGE".to_owned(), key.to_string()];
    let bytes: Result<Option<u64>, Error> = once(redis).custom(command, words).await;
    match bytes {
        Err(error) if error.details().starts_with("NOPERM") => Ok(None),
        bytes => bytes,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^52 entries are not exact")]
pub(super) fn publish(key: StreamKey, extent: &Extent) {
    let set = |name: &'static str, value: u64| {
        gauge!(name, "partition" => key.partition.to_string()).set(value as f64);
    };
    // An empty stream begins where the next entry will be.
    set("events_stream_first_seq", extent.first.unwrap_or(extent.last + 1));
    set("events_stream_last_seq", extent.last);
    set("events_stream_length", extent.length);
    if let Some(bytes) = extent.bytes {
        set("events_stream_bytes", bytes);
    }
}
