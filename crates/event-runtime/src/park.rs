//! Parked events: what could not be applied waits here, with everything of the same aggregate behind it, and nothing else waits.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ApplyError, EventStore, UnitOfWork,
    consumer::{Handler, handle},
    error::chain,
    lease::{IDLE_TIMEOUT, Subscription},
    store::{to_bigint, to_smallint},
    stream::{Entry, StreamKey},
};

/// An event that is about to be parked.
pub(crate) struct ParkedRow {
    subscription: Subscription,
    sequence: u64,
    aggregate: Option<(String, Uuid)>,
    entry: String,
    reason: &'static str,
    error: String,
}

impl ParkedRow {
    pub(crate) fn new(
        subscription: Subscription,
        entry: &Entry,
        reason: &'static str,
        error: &str,
    ) -> Self {
        Self {
            subscription,
            sequence: entry.sequence,
            // PostgreSQL text cannot hold NUL.
            aggregate: entry.aggregate().map(|(kind, id)| (without_nul(kind), id)),
            entry: serde_json::to_string(&entry.fields).unwrap_or_default(),
            reason,
            error: without_nul(error),
        }
    }
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Parks one event in the transaction that moves the watermark past it.
pub(crate) async fn insert(work: &UnitOfWork, row: &ParkedRow) -> Result<(), DbErr> {
    let StreamKey { service, partition, .. } = row.subscription.key;
    let (group, service, partition) =
        (row.subscription.group, service.as_str(), to_smallint(partition));
    let sequence = to_bigint(row.sequence);
    let (aggregate_type, aggregate_id) = row.aggregate.clone().unzip();
    let (entry, reason, error) = (row.entry.as_str(), row.reason, row.error.as_str());
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO parked_event (consumer_group, service, partition, sequence, aggregate_type, aggregate_id,
                                       entry, reason, error)
               VALUES ({group}, {service}, {partition}, {sequence}, {aggregate_type}, {aggregate_id},
                       {entry}, {reason}, {error})"
        ))
        .await?;
    Ok(())
}

/// Whether anything of a group is parked.
pub(crate) async fn has_any(connection: &impl ConnectionTrait, group: &str) -> Result<bool, DbErr> {
    let any = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT FROM parked_event WHERE consumer_group = {group} LIMIT 1"
        ))
        .await?;
    Ok(any.is_some())
}

#[derive(FromQueryResult)]
struct Blocked {
    aggregate_id: Uuid,
}

/// Which of these aggregates have parked events in a group.
pub(crate) async fn blocked(
    connection: &impl ConnectionTrait,
    group: &str,
    aggregates: &[Uuid],
) -> Result<HashSet<Uuid>, DbErr> {
    let aggregates = serde_json::json!(aggregates);
    let rows = Blocked::find_by_statement(raw_sql!(
        Postgres,
        "SELECT DISTINCT aggregate_id FROM parked_event
           WHERE consumer_group = {group}
             AND aggregate_id IN (SELECT value::uuid FROM jsonb_array_elements_text({aggregates}))"
    ))
    .all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.aggregate_id).collect())
}

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
    /// Why, in a word; `behind` for an event that waits for an earlier one.
    pub reason: String,
    /// Why, in full.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Since when it waits.
    pub parked_at: DateTime<Utc>,
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
        "SELECT consumer_group, service, partition, sequence, aggregate_type, aggregate_id, reason, error, attempts,
                parked_at
           FROM parked_event ORDER BY parked_at, consumer_group, service, partition, sequence LIMIT {limit}"
    ))
    .all(connection)
    .await
}

/// What a redrive came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// Events that took effect now.
    pub applied: u64,
    /// Whether one failed again, and with it everything behind it stayed parked.
    pub failed_again: bool,
}

#[derive(FromQueryResult)]
struct Oldest {
    service: String,
    partition: i16,
    sequence: i64,
    entry: String,
}

/// Applies the parked events of one aggregate, or those of no aggregate at all, oldest first, each in a transaction of its
/// own that also takes it out of the park. Stops at the first one that fails again.
pub(crate) async fn redrive(
    store: &EventStore,
    handler: &dyn Handler,
    aggregate: Option<Uuid>,
) -> Result<Redriven, DbErr> {
    let mut redriven = Redriven { applied: 0, failed_again: false };
    // Those that cannot be read block nobody; each of them is tried once.
    let mut after = (String::new(), -1, -1);
    loop {
        let work = store.begin().await?;
        let Some(oldest) = oldest(&work, handler.group(), aggregate, &after).await? else {
            return Ok(redriven);
        };
        let outcome = apply(&work, handler, &oldest).await;
        match outcome {
            Ok(()) => {
                remove(&work, handler.group(), &oldest).await?;
                work.commit().await?;
                redriven.applied += 1;
            }
            Err(error) => {
                work.rollback().await?;
                note_failure(store, handler.group(), &oldest, &error).await?;
                redriven.failed_again = true;
                if aggregate.is_some() {
                    return Ok(redriven);
                }
                after = (oldest.service, oldest.partition, oldest.sequence);
            }
        }
    }
}

/// The oldest parked event, with its partition's watermark locked: the consumer cannot park or apply a later event of the
/// aggregate before this transaction ends.
async fn oldest(
    work: &UnitOfWork,
    group: &str,
    aggregate: Option<Uuid>,
    (service, partition, sequence): &(String, i16, i64),
) -> Result<Option<Oldest>, DbErr> {
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "SELECT set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true)
               FROM watermark w WHERE w.consumer_group = {group} AND (w.service, w.partition) IN (
                 SELECT p.service, p.partition FROM parked_event p
                   WHERE p.consumer_group = {group} AND p.aggregate_id IS NOT DISTINCT FROM {aggregate})
               ORDER BY w.service, w.partition FOR UPDATE"
        ))
        .await?;
    Oldest::find_by_statement(raw_sql!(
        Postgres,
        "SELECT service, partition, sequence, entry FROM parked_event
           WHERE consumer_group = {group} AND aggregate_id IS NOT DISTINCT FROM {aggregate}
             AND (service, partition, sequence) > ({service}, {partition}, {sequence})
           ORDER BY service, partition, sequence LIMIT 1"
    ))
    .one(work.txn())
    .await
}

async fn apply(
    work: &UnitOfWork,
    handler: &dyn Handler,
    oldest: &Oldest,
) -> Result<(), ApplyError> {
    let fields: Option<std::collections::BTreeMap<String, String>> =
        serde_json::from_str(&oldest.entry)
            .map_err(|error| ApplyError::reject("undecodable", error))?;
    let service =
        oldest.service.parse().map_err(|error: shared_schemas::choice::UnknownChoice| {
            ApplyError::reject("undecodable", error)
        })?;
    let key = StreamKey::new(service, u16::try_from(oldest.partition).unwrap_or(0));
    let entry = Entry { sequence: u64::try_from(oldest.sequence).unwrap_or(0), fields };
    let event = entry.decode(key).map_err(|error| ApplyError::reject("undecodable", error))?;
    handle(handler, work, &event).await
}

async fn remove(work: &UnitOfWork, group: &str, oldest: &Oldest) -> Result<(), DbErr> {
    let Oldest { service, partition, sequence, .. } = oldest;
    let service = service.as_str();
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "DELETE FROM parked_event WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND sequence = {sequence}"
        ))
        .await?;
    Ok(())
}

async fn note_failure(
    store: &EventStore,
    group: &str,
    oldest: &Oldest,
    error: &ApplyError,
) -> Result<(), DbErr> {
    let Oldest { service, partition, sequence, .. } = oldest;
    let (service, error) = (service.as_str(), without_nul(&chain(error)));
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE parked_event SET attempts = attempts + 1, error = {error}
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence = {sequence}"
        ))
        .await?;
    Ok(())
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
