//! Where the histories of a store and of a stream part.

use fred::{clients::Client, interfaces::StreamsInterface, types::Value};

use crate::{
    EventStore, RuntimeError,
    redis::once,
    relay::{Ends, ends},
    stream::{Entry, StreamKey},
};

/// The end of a generation in one partition.
pub(super) struct Fork {
    /// The last sequence number that both have.
    pub(super) sequence: u64,
    /// How many entries of the stream come after it, at most.
    pub(super) lost: u64,
}

/// Compares a stream with the store's events after `base`, of which `limit` is the last one. Histories that parted never meet
/// again, so the place is found by halving.
pub(super) async fn fork(
    store: &EventStore,
    redis: &Client,
    key: StreamKey,
    base: u64,
    limit: u64,
) -> Result<Fork, RuntimeError> {
    let Ends { tail, first } = ends(redis, &key.to_string()).await?;
    let end = tail.sequence;
    // A stream of which Redis knows nothing contradicts nothing.
    if end <= base {
        return Ok(Fork { sequence: limit, lost: 0 });
    }
    let at = |sequence| Fork { sequence, lost: end.saturating_sub(sequence) };
    if end <= limit && agrees(store, key, end, tail.event_id.as_deref()).await? {
        return Ok(Fork { sequence: limit, lost: 0 });
    }
    // What was trimmed is taken for true as far as the store has it: everybody who had to had read it.
    let begin = first.unwrap_or(end.saturating_add(1)).max(base.saturating_add(1));
    let (mut true_to, mut false_from) = (begin.saturating_sub(1), end.min(limit).saturating_add(1));
    while false_from > true_to.saturating_add(1) {
        let middle = true_to + (false_from - true_to) / 2;
        match nearest(redis, key, true_to.saturating_add(1), middle).await? {
            // Deleted one by one; the rest will tell.
            None => true_to = middle,
            Some((sequence, id)) => {
                if agrees(store, key, sequence, id.as_deref()).await? {
                    true_to = middle;
                } else {
                    false_from = sequence;
                }
            }
        }
    }
    Ok(at(true_to.min(limit)))
}

/// The last entry of a part of a stream, and its event's id.
async fn nearest(
    redis: &Client,
    key: StreamKey,
    from: u64,
    to: u64,
) -> Result<Option<(u64, Option<String>)>, fred::error::Error> {
    let (end, start) = (format!("{to}-0"), format!("{from}-0"));
    let reply: Vec<Value> = once(redis).xrevrange(key.to_string(), end, start, Some(1)).await?;
    let entry = reply.into_iter().next().and_then(Entry::parse);
    Ok(entry.map(|entry| (entry.sequence, entry.event_id().map(ToOwned::to_owned))))
}

/// Whether the store has that event at that place. An entry that is gone contradicts nothing.
async fn agrees(
    store: &EventStore,
    key: StreamKey,
    sequence: u64,
    id: Option<&str>,
) -> Result<bool, RuntimeError> {
    let Some(id) = id else { return Ok(true) };
    let stored = store.published_after(key.partition, sequence.saturating_sub(1), 1).await?;
    Ok(stored
        .first()
        .is_some_and(|event| event.sequence == Some(sequence) && event.id.to_string() == id))
}
