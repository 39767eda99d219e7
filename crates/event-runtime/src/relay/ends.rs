//! Where a stream begins and ends, as Redis says.

use fred::{clients::Client, interfaces::StreamsInterface, types::Value};

use crate::{
    redis::once,
    rules::Tail,
    stream::{Entry, StreamKey},
};

/// The two ends of a stream.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) tail: Tail,
    /// The first sequence number that is still there.
    pub(crate) first: Option<u64>,
}

impl Ends {
    /// Whether events after `cursor` are no longer in the stream.
    pub(crate) fn lack_after(&self, cursor: u64) -> bool {
        match self.first {
            Some(first) => first > cursor.saturating_add(1),
            None => self.tail.sequence > cursor,
        }
    }
}

/// Where a stream begins and ends.
///
/// # Errors
///
/// If Redis does not answer.
pub(crate) async fn ends(redis: &Client, key: &str) -> Result<Ends, fred::error::Error> {
    let mut ends = Ends::default();
    let info: Result<Value, _> = once(redis).xinfo_stream(key, false, None).await;
    let info = match info {
        Ok(info) => info,
        Err(error) if error.details().contains("no such key") => return Ok(ends),
        Err(error) => return Err(error),
    };
    let Value::Array(fields) = info else { return Ok(ends) };
    let mut fields = fields.into_iter();
    let mut last = None;
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name.as_str().as_deref() {
            Some("last-generated-id") => {
                let id = value.into_string().unwrap_or_default();
                let sequence = id.split_once('-').and_then(|(sequence, _)| sequence.parse().ok());
                ends.tail.sequence = sequence.unwrap_or(0);
            }
            Some("first-entry") => ends.first = Entry::parse(value).map(|entry| entry.sequence),
            Some("last-entry") => last = Entry::parse(value),
            _ => (),
        }
    }
    ends.tail.event_id = last
        .filter(|entry| entry.sequence == ends.tail.sequence)
        .and_then(|entry| entry.event_id().map(ToOwned::to_owned));
    Ok(ends)
}

/// The last sequence number ever written to a stream; 0 if there is no stream.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn last_sequence(redis: &Client, key: StreamKey) -> Result<u64, fred::error::Error> {
    Ok(ends(redis, &key.to_string()).await?.tail.sequence)
}
