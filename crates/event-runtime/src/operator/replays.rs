//! Replays into streams of their own: which there are, and giving one up.
//!
//! A replay named `run` writes `replay:{<service>.p<N>}:run`. While somebody writes, the key `replay:run` exists; without it the
//! writer stops.

use std::time::Duration;

use fred::clients::Client;
use serde::Serialize;
use serde_json::json;

use super::{
    CommandError, Done, Order, Site, actions,
    reply::{Fields, command, is_missing, number, sequence, text},
    streams::{self, StreamGroup},
};

/// A stream that a replay has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayStream {
    /// The replay's name.
    pub name: String,
    /// The stream.
    pub key: String,
    /// Whether somebody writes it now.
    pub is_running: bool,
    /// Entries now.
    pub length: u64,
    /// The last sequence number written.
    pub last: u64,
    /// Seconds until it is gone.
    pub seconds_left: i64,
    /// Who reads it.
    pub groups: Vec<StreamGroup>,
}

fn marker(name: &str) -> String {
    format!("replay:{name}")
}

/// The streams of all replays, or of one.
///
/// # Errors
///
/// [`CommandError::Redis`] if Redis fails.
pub async fn list(site: &Site, name: Option<&str>) -> Result<Vec<ReplayStream>, CommandError> {
    let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
    loop {
        let words = [cursor.as_str(), "MATCH", "replay:{*}:*", "COUNT", "1000"];
        let (next, page): (String, Vec<String>) = command(&site.redis, "", "SCAN", &words).await?;
        keys.extend(page);
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    let mut streams = Vec::new();
    for key in keys {
        let Some((_, run)) = key.split_once("}:") else { continue };
        if name.is_none_or(|name| name == run) {
            streams.extend(describe(site, run, &key).await?);
        }
    }
    Ok(streams)
}

async fn describe(
    site: &Site,
    name: &str,
    key: &str,
) -> Result<Option<ReplayStream>, CommandError> {
    let info: Fields = match command(&site.redis, key, "XINFO", &["STREAM", key]).await {
        Ok(info) => info,
        // Gone since it was found.
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(ReplayStream {
        name: name.to_owned(),
        key: key.to_owned(),
        is_running: is_running(&site.redis, name).await?,
        length: number(&info, "length").unwrap_or(0),
        last: sequence(&text(&info, "last-generated-id")),
        seconds_left: command(&site.redis, key, "TTL", &[key]).await?,
        groups: streams::groups(site, key).await?,
    }))
}

async fn is_running(redis: &Client, name: &str) -> Result<bool, CommandError> {
    let marker = marker(name);
    let found: u64 = command(redis, &marker, "EXISTS", &[&marker]).await?;
    Ok(found > 0)
}

/// Writes down at every producer that its events are replayed, and marks the replay as running for as long as [`keep_alive`]
/// is called at least every `lifetime`.
///
/// # Errors
///
/// [`CommandError::Refused`] while a replay of that name is running.
pub async fn begin(
    sites: &[Site],
    order: &Order,
    name: &str,
    lifetime: Duration,
) -> Result<(), CommandError> {
    let Some(first) = sites.first() else { return Ok(()) };
    if is_running(&first.redis, name).await? {
        return Err(CommandError::refused(
            format!("a replay `{name}` is running"),
            format!("`replay cancel {name}` ends it, or choose another name"),
        ));
    }
    for site in sites {
        actions::record(&site.db, order, "replay run", json!({ "into": name })).await?;
    }
    let (marker, seconds) = (marker(name), lifetime.as_secs().max(1).to_string());
    let _set: String =
        command(&first.redis, &marker, "SET", &[&marker, "running", "EX", &seconds]).await?;
    Ok(())
}

/// Prolongs a running replay; `false` when it was cancelled.
///
/// # Errors
///
/// [`fred::error::Error`] if Redis fails.
pub async fn keep_alive(
    redis: &Client,
    name: &str,
    lifetime: Duration,
) -> Result<bool, fred::error::Error> {
    let (marker, seconds) = (marker(name), lifetime.as_secs().max(1).to_string());
    let prolonged: u64 = command(redis, &marker, "EXPIRE", &[&marker, &seconds]).await?;
    Ok(prolonged > 0)
}

/// Says that nobody writes it any more; its streams stay until they are read or their time is over.
///
/// # Errors
///
/// [`fred::error::Error`] if Redis fails.
pub async fn end(redis: &Client, name: &str) -> Result<(), fred::error::Error> {
    let marker = marker(name);
    let _deleted: u64 = command(redis, &marker, "DEL", &[&marker]).await?;
    Ok(())
}

/// Ends a replay and deletes its streams.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn cancel(site: &Site, order: &Order, name: &str) -> Result<Done<String>, CommandError> {
    let keys: Vec<String> =
        list(site, Some(name)).await?.into_iter().map(|stream| stream.key).collect();
    let is_running = is_running(&site.redis, name).await?;
    if order.dry_run || (keys.is_empty() && !is_running) {
        return Ok(Done::new(order, keys));
    }
    actions::record(&site.db, order, "replay cancel", json!({ "name": name, "keys": keys }))
        .await?;
    end(&site.redis, name).await?;
    for key in &keys {
        let _deleted: u64 = command(&site.redis, key, "UNLINK", &[key]).await?;
    }
    Ok(Done::new(order, keys))
}
