//! Parked events: what could not be applied waits here, with everything of the same aggregate behind it, and nothing else waits.
//!
//! A row is written in the transaction that moves the group past the event, and deleted in the transaction that applies it
//! after all. In between, the event is tried again: by its group's owner, when `retry_at` has come; by an operator, who redrives
//! it or sets `retry_at`; by a newer build, when this one did not know its version.

mod insert;
mod redrive;
mod retry;
mod skip;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::{
    insert::{ParkedRow, blocked, has_any, insert, without_nul},
    redrive::redrive,
    retry::{delay, mend, retry_due},
};
pub use self::{
    redrive::Redriven,
    skip::{Skip, skip},
};

/// A parked event, as an operator sees it.
#[derive(Clone, Debug, FromQueryResult, Serialize)]
pub struct ParkedEvent {
    /// The group that could not apply it.
    pub consumer_group: String,
    /// Whose event it is.
    pub service: String,
    /// Its partition.
    pub partition: i16,
    /// Its place in the partition.
    pub sequence: i64,
    /// The kind of aggregate, if the entry could be read that far.
    pub aggregate_type: Option<String>,
    /// Which one.
    pub aggregate_id: Option<Uuid>,
    /// The wire name, if the entry could be read that far.
    #[sea_orm(from_alias = "type")]
    pub event_type: Option<String>,
    /// Why, in a word: `behind` for an event that waits for an earlier one, `retry` for one that is tried again by itself,
    /// `retry_exhausted` when it no longer is, `unknown_version` for one that a newer build will apply, `crash_loop` for one
    /// that ended the process, and what the handler said for the others.
    pub reason: String,
    /// Why, in full.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it happened, if the entry could be read that far.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Since when it waits.
    pub parked_at: DateTime<Utc>,
    /// When it is tried again without anybody's doing; absent if it is not.
    pub retry_at: Option<DateTime<Utc>>,
}

/// Parked events of a service, oldest first, at most `limit`.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    limit: i64,
) -> Result<Vec<ParkedEvent>, DbErr> {
    ParkedEvent::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, service, partition, sequence, aggregate_type, aggregate_id, type, reason, error, attempts,
                occurred_at, parked_at, retry_at
           FROM parked_event ORDER BY parked_at, consumer_group, service, partition, sequence LIMIT {limit}"
    ))
    .all(connection)
    .await
}

/// The entry of a parked event, for those who repair it.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn entry(
    connection: &impl ConnectionTrait,
    group: &str,
    sequence: i64,
) -> Result<Option<Value>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        entry: String,
    }
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT entry FROM parked_event WHERE consumer_group = {group} AND sequence = {sequence}"
    ))
    .one(connection)
    .await?;
    Ok(row.and_then(|row| serde_json::from_str(&row.entry).ok()))
}
