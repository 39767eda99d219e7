//! The generations of a service's streams.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::{Value, json};

use super::{CommandError, Done, Order, Site, actions, streams};
use crate::{
    Clock, EventStore, RuntimeError,
    epoch::{self, Begun, EpochError},
    error::chain,
};

/// One generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// From 1; part of the streams' keys.
    pub epoch: i32,
    /// How many partitions it has.
    pub partitions: i16,
    /// Why it was started.
    pub reason: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// The last sequence number of each partition, once a later generation has begun.
    pub ends: BTreeMap<String, i64>,
}

#[derive(FromQueryResult)]
struct Row {
    epoch: i32,
    partitions: i16,
    reason: String,
    started_at: DateTime<Utc>,
    ends: Value,
}

/// All generations of a service, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site) -> Result<Vec<Epoch>, DbErr> {
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT epoch, partitions, reason, started_at,
                (SELECT coalesce(jsonb_object_agg(ended.partition, ended.sequence), '{}'::jsonb)
                   FROM stream_epoch_end ended WHERE ended.epoch = generation.epoch) AS ends
           FROM stream_epoch generation ORDER BY epoch"
    ))
    .all(&site.db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let Row { epoch, partitions, reason, started_at, ends } = row;
            let ends =
                serde_json::from_value(ends).map_err(|error| DbErr::Json(error.to_string()))?;
            Ok(Epoch { epoch, partitions, reason, started_at, ends })
        })
        .collect()
}

/// Begins the next generation of a service's streams: after its store was restored to the past, or with another number of
/// partitions. A rehearsal looks whether that could be done, and changes nothing.
///
/// # Errors
///
/// [`CommandError::Refused`] without a reason, for a store that was never laid out, for as many partitions as there are, and
/// for another number while store and streams are different histories.
pub async fn bump(
    site: &Site,
    order: &Order,
    partitions: Option<u16>,
) -> Result<Done<Begun>, CommandError> {
    let Some(reason) = &order.reason else {
        return Err(CommandError::refused(
            "a new generation is kept with its reason",
            "say it with --reason",
        ));
    };
    let present = u16::try_from(streams::heads(site).await?.len()).unwrap_or(u16::MAX);
    if present == 0 {
        return Err(CommandError::refused(
            format!("the store of {} has no partitions yet", site.service),
            "start the service once",
        ));
    }
    if partitions == list(site).await?.last().map(|epoch| epoch.partitions.unsigned_abs())
        && let Some(partitions) = partitions
    {
        return Err(refused(EpochError::Unchanged(partitions)));
    }
    if order.dry_run {
        return Ok(Done::new(order, Vec::new()));
    }
    let store = EventStore::open(site.db.clone(), site.service, present, Clock::System)
        .await
        .map_err(|error| refused(error.into()))?;
    actions::record(&site.db, order, "epoch bump", json!({ "partitions": partitions })).await?;
    let begun = match partitions {
        Some(partitions) => epoch::repartition(&store, &site.redis, partitions).await,
        None => epoch::bump(&store, &site.redis, reason).await,
    };
    Ok(Done::new(order, vec![begun.map_err(refused)?]))
}

fn refused(error: EpochError) -> CommandError {
    match error {
        EpochError::Runtime(RuntimeError::Storage(error)) => error.into(),
        EpochError::Runtime(RuntimeError::Redis(error)) => error.into(),
        EpochError::Runtime(error) => DbErr::Custom(chain(&error)).into(),
        EpochError::Partitions(_) | EpochError::Unchanged(_) => {
            CommandError::refused(error.to_string(), "choose another number")
        }
        EpochError::Diverged => {
            CommandError::refused(error.to_string(), "`epoch bump` without --partitions")
        }
    }
}
