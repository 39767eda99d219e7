//! Where a replay gets others' events from.

use fred::{clients::Client, interfaces::StreamsInterface, types::Value};

use super::RebuildError;
use crate::{
    redis::once,
    stream::{Entry, StreamKey},
};

/// Events of one partition after `after` and not after `to`, at least one, without a gap.
///
/// # Errors
///
/// [`RebuildError::Gap`] if the next one cannot be had.
pub(super) async fn page(
    redis: &Client,
    key: StreamKey,
    after: u64,
    to: u64,
    limit: u64,
) -> Result<Vec<Entry>, RebuildError> {
    let (first, last) = (format!("{}-0", after + 1), format!("{to}-0"));
    let reply: Value = once(redis).xrange(key.to_string(), first, last, Some(limit)).await?;
    let Value::Array(entries) = reply else { return Err(gap(key, after)) };
    let consecutive = entries
        .into_iter()
        .filter_map(Entry::parse)
        .zip(after + 1..)
        .take_while(|(entry, expected)| entry.sequence == *expected)
        .map(|(entry, _)| entry);
    let entries: Vec<Entry> = consecutive.collect();
    if entries.is_empty() { Err(gap(key, after)) } else { Ok(entries) }
}

fn gap(key: StreamKey, after: u64) -> RebuildError {
    RebuildError::Gap { stream: key.to_string(), after }
}
