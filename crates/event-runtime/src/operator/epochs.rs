//! The generations of a service's streams.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::Value;

use super::Site;

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
