//! Trimming on request: what may leave a stream, what stands in the way, and doing it now instead of in ten seconds.

use sea_orm::DbErr;
use serde::Serialize;
use serde_json::json;

use super::{CommandError, Order, Site, actions, streams};
use crate::{
    Clock, EventStore, RuntimeError,
    stream::StreamKey,
    trim::{self, Trimmed},
};

/// What trimming did with one stream, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrimmedStream {
    /// The stream.
    pub key: String,
    /// Entries that went, or would go.
    pub entries: u64,
    /// The last sequence number that may go; whole blocks go at a time.
    pub through: u64,
    /// The first one that the stream still has; absent when it has no entries.
    pub first: Option<u64>,
    /// The group that holds back what everybody else has read.
    pub held_by: Option<String>,
    /// The group that is registered and that Redis does not have: nothing goes.
    pub missing: Option<String>,
}

/// Trims the streams of a service, but for the last `retention` entries of each; a rehearsal says what would go.
///
/// # Errors
///
/// [`CommandError::Refused`] for a store that was never laid out.
pub async fn run(
    site: &Site,
    order: &Order,
    retention: u64,
) -> Result<Vec<TrimmedStream>, CommandError> {
    let heads = streams::heads(site).await?;
    let Ok(partitions @ 1..) = u16::try_from(heads.len()) else {
        return Err(CommandError::refused(
            format!("the store of {} has no partitions yet", site.service),
            "start the service once",
        ));
    };
    let store = EventStore::open(site.db.clone(), site.service, partitions, Clock::System)
        .await
        .map_err(fault)?;
    if !order.dry_run {
        actions::record(&site.db, order, "trim run", json!({ "retention": retention })).await?;
    }
    let mut trimmed = Vec::new();
    for head in heads {
        let key = streams::key(site, head);
        let outcome = if order.dry_run {
            trim::preview(&store, &site.redis, key, retention).await
        } else {
            trim::round(&store, &site.redis, key, retention).await
        };
        trimmed.push(report(key, outcome.map_err(fault)?));
    }
    Ok(trimmed)
}

fn report(key: StreamKey, trimmed: Trimmed) -> TrimmedStream {
    let nothing = TrimmedStream {
        key: key.to_string(),
        entries: 0,
        through: 0,
        first: None,
        held_by: None,
        missing: None,
    };
    match trimmed {
        Trimmed::Entries { count, held_by, first, through } => {
            TrimmedStream { entries: count, through, first, held_by, ..nothing }
        }
        Trimmed::GroupMissing(group) => TrimmedStream { missing: Some(group), ..nothing },
        Trimmed::NoStream => nothing,
    }
}

fn fault(error: RuntimeError) -> CommandError {
    if let RuntimeError::Storage(error) = error {
        error.into()
    } else if let RuntimeError::Redis(error) = error {
        error.into()
    } else {
        DbErr::Custom(crate::error::chain(&error)).into()
    }
}
