//! Setting events aside, in the transaction that moves past them.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Datelike as _, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use uuid::Uuid;

use crate::{
    UnitOfWork,
    lease::Subscription,
    store::{to_bigint, to_smallint},
    stream::{Entry, StreamKey},
};

/// An event that is about to be parked.
pub(crate) struct ParkedRow {
    subscription: Subscription,
    sequence: u64,
    aggregate: Option<(String, Uuid)>,
    version: Option<i64>,
    event_type: Option<String>,
    occurred_at: Option<DateTime<Utc>>,
    entry: String,
    reason: &'static str,
    error: String,
    retry_in: Option<Duration>,
}

impl ParkedRow {
    pub(crate) fn new(
        subscription: Subscription,
        entry: &Entry,
        reason: &'static str,
        error: &str,
    ) -> Self {
        let field = |name: &str| entry.fields.as_ref().and_then(|fields| fields.get(name));
        Self {
            subscription,
            sequence: entry.sequence,
            aggregate: entry.aggregate().map(|(kind, id)| (without_nul(kind), id)),
            // Those of no aggregate have no order to keep.
            version: entry.aggregate().and_then(|_| field("n")?.parse().ok()),
            event_type: field("t").map(without_nul),
            occurred_at: field("o").and_then(|time| time.parse().ok()).filter(is_storable),
            entry: serde_json::to_string(&entry.fields).unwrap_or_default(),
            reason,
            error: without_nul(error),
            retry_in: None,
        }
    }

    /// What went wrong.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// To be tried again by itself after that time.
    #[must_use]
    pub(crate) fn retry_in(mut self, pause: Duration) -> Self {
        self.retry_in = Some(pause);
        self
    }
}

/// A time that PostgreSQL can keep, too. Its calendar begins in 4714 BC, and a row with an earlier one would never be written.
fn is_storable(time: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&time.year())
}

/// PostgreSQL's text cannot hold NUL.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Parks one event in the transaction that moves the watermark past it.
pub(crate) async fn insert(work: &UnitOfWork, row: &ParkedRow) -> Result<(), DbErr> {
    let StreamKey { service, partition, .. } = row.subscription.key;
    let (group, service, partition) =
        (row.subscription.group, service.as_str(), to_smallint(partition));
    let sequence = to_bigint(row.sequence);
    let (aggregate_type, aggregate_id) = row.aggregate.clone().unzip();
    // What cannot be read that far comes after everything of its aggregate that is parked.
    let version = row.version;
    let (event_type, occurred_at) = (row.event_type.as_deref(), row.occurred_at);
    let (entry, reason, error) = (row.entry.as_str(), row.reason, row.error.as_str());
    // What only waits behind another was not tried.
    let attempts = i32::from(reason != "behind");
    let retry_in = row.retry_in.map(|pause| pause.as_secs_f64());
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO parked_event (consumer_group, service, partition, sequence, aggregate_type, aggregate_id,
                                       aggregate_version, type, occurred_at, entry, reason, error, attempts, retry_at)
               VALUES ({group}, {service}, {partition}, {sequence}, {aggregate_type}, {aggregate_id},
                       coalesce({version}, (SELECT max(aggregate_version) FROM parked_event
                                              WHERE consumer_group = {group} AND service = {service}
                                                AND aggregate_id = {aggregate_id})),
                       {event_type}, {occurred_at}, {entry}, {reason}, {error}, {attempts},
                       now() + make_interval(secs => {retry_in}))"
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
