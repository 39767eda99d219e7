//! Commands of Redis that are sent as words, and what their answers mean.

use std::collections::BTreeMap;

use fred::{
    clients::Client,
    error::Error,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, FromValue, Value},
};

use crate::redis::once;

/// A reply of names and values in turn.
pub(super) type Fields = BTreeMap<String, Value>;

/// Sends `name` with its words to the server that has `key`.
pub(super) async fn command<R: FromValue>(
    redis: &Client,
    key: &str,
    name: &'static str,
    words: &[&str],
) -> Result<R, Error> {
    let hash = ClusterHash::Custom(fred::util::redis_keyslot(key.as_bytes()));
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    once(redis).custom(CustomCommand::new_static(name, hash, false), words).await
}

/// The number before the `-` of an entry id.
pub(super) fn sequence(id: &str) -> u64 {
    id.split_once('-').and_then(|(sequence, _)| sequence.parse().ok()).unwrap_or(0)
}

/// A number among the fields; `None` where Redis says nil.
pub(super) fn number(fields: &Fields, name: &str) -> Option<u64> {
    fields.get(name).and_then(Value::as_u64)
}

/// A text among the fields.
pub(super) fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).and_then(Value::as_string).unwrap_or_default()
}

/// Whether Redis said that there is no such stream, or no such group of it.
pub(super) fn is_missing(error: &Error) -> bool {
    error.details().contains("no such key")
        || error.details().contains("requires the key to exist")
        || error.details().starts_with("NOGROUP")
}
