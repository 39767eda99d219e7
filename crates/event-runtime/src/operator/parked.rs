//! Parked events: finding them, having them tried again by the group's owner, giving one up.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{CommandError, Done, Order, Site, actions};
use crate::stream::Fields;

/// Which parked events are meant; what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// The group that could not apply them.
    pub group: Option<String>,
    /// The aggregate they are about.
    pub aggregate: Option<Uuid>,
    /// The event type, such as `post.published.v1`.
    pub event_type: Option<String>,
    /// The reason in a word, such as `refused`.
    pub reason: Option<String>,
    /// A part of the error's text.
    pub error: Option<String>,
    /// The sequence number.
    pub sequence: Option<i64>,
}

/// A parked event, in full.
#[derive(Clone, Debug, PartialEq, FromQueryResult, Serialize)]
pub struct Parked {
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
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Why, in a word; `behind` for an event that waits for an earlier one.
    pub reason: String,
    /// Why, in full.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was recorded, if that is known.
    pub occurred_at: Option<DateTime<Utc>>,
    /// Since when it waits.
    pub parked_at: DateTime<Utc>,
    /// When the group's owner tries it again; absent when only an operator or a newer build can mend it.
    pub retry_at: Option<DateTime<Utc>>,
    /// What was in the stream entry, as JSON text.
    #[serde(serialize_with = "as_json")]
    pub entry: String,
}

/// What is in the entry, by name; as text if somebody has damaged it.
fn as_json<S: serde::Serializer>(entry: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<Option<Fields>>(entry) {
        Ok(fields) => fields.map(Fields::into_parts).serialize(serializer),
        Err(_) => json!(entry).serialize(serializer),
    }
}

/// Parked events, in the order of group, producer, partition and sequence, and those of one aggregate in its order; at most
/// `limit`.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site, filter: &Filter, limit: i64) -> Result<Vec<Parked>, DbErr> {
    select(&site.db, filter, limit).await
}

async fn select(
    connection: &impl ConnectionTrait,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Parked>, DbErr> {
    let Filter { group, aggregate, event_type, reason, error, sequence } = filter.clone();
    Parked::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, service, partition, sequence, aggregate_type, aggregate_id, type, reason, error,
                attempts, occurred_at, parked_at, retry_at, entry
           FROM parked_event
           WHERE ({group}::text IS NULL OR consumer_group = {group})
             AND ({aggregate}::uuid IS NULL OR aggregate_id = {aggregate})
             AND ({event_type}::text IS NULL OR type = {event_type})
             AND ({reason}::text IS NULL OR reason = {reason})
             AND ({error}::text IS NULL OR position({error} IN error) > 0)
             AND ({sequence}::bigint IS NULL OR sequence = {sequence})
           ORDER BY consumer_group, service,
                    CASE WHEN {aggregate}::uuid IS NOT NULL THEN coalesce(aggregate_version, 0) END, partition, sequence
           LIMIT {limit}"
    ))
    .all(connection)
    .await
}

/// What the owner of a group is asked to try: the oldest parked event of one aggregate, and with it everything behind it.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Redrive {
    /// The group.
    pub consumer_group: String,
    /// Whose event.
    pub service: String,
    /// Its partition.
    pub partition: i16,
    /// Its place.
    pub sequence: i64,
    /// The aggregate; absent for an entry that could not be read that far.
    pub aggregate_id: Option<Uuid>,
    /// How often it was tried before.
    pub attempts: i32,
}

/// Has the groups' owners try parked events again, oldest first per aggregate, `per_second` aggregates a second: an owner takes
/// up what is due within seconds. At most `limit` aggregates.
///
/// # Errors
///
/// [`CommandError`] if the database fails.
pub async fn redrive(
    site: &Site,
    order: &Order,
    filter: &Filter,
    limit: i64,
    per_second: u32,
) -> Result<Done<Redrive>, CommandError> {
    let chosen = firsts(site, filter, limit).await?;
    if order.dry_run || chosen.is_empty() {
        return Ok(Done::new(order, chosen));
    }
    let interval = 1.0 / f64::from(per_second.max(1));
    let places = serde_json::to_value(&chosen).map_err(|error| DbErr::Json(error.to_string()))?;
    let txn = site.db.begin().await?;
    let arguments =
        json!({ "filter": filter, "aggregates": chosen.len(), "per_second": per_second });
    actions::record(&txn, order, "parked redrive", arguments).await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE parked_event p SET retry_at = now() + make_interval(secs => {interval} * (place.at - 1))
           FROM (SELECT value, ordinality AS at FROM jsonb_array_elements({places}) WITH ORDINALITY) place
           WHERE p.consumer_group = place.value ->> 'consumer_group' AND p.service = place.value ->> 'service'
             AND p.partition = (place.value ->> 'partition')::smallint
             AND p.sequence = (place.value ->> 'sequence')::bigint"
    ))
    .await?;
    txn.commit().await?;
    Ok(Done::new(order, chosen))
}

/// The oldest parked event of every aggregate of which some event is meant, and every meant one that belongs to none.
async fn firsts(site: &Site, filter: &Filter, limit: i64) -> Result<Vec<Redrive>, DbErr> {
    let Filter { group, aggregate, event_type, reason, error, sequence } = filter.clone();
    Redrive::find_by_statement(raw_sql!(
        Postgres,
        "WITH meant AS (
           SELECT consumer_group, service, partition, sequence, aggregate_id FROM parked_event
             WHERE ({group}::text IS NULL OR consumer_group = {group})
               AND ({aggregate}::uuid IS NULL OR aggregate_id = {aggregate})
               AND ({event_type}::text IS NULL OR type = {event_type})
               AND ({reason}::text IS NULL OR reason = {reason})
               AND ({error}::text IS NULL OR position({error} IN error) > 0)
               AND ({sequence}::bigint IS NULL OR sequence = {sequence}))
         SELECT p.consumer_group, p.service, p.partition, p.sequence, p.aggregate_id, p.attempts
           FROM parked_event p
           WHERE CASE WHEN p.aggregate_id IS NULL
             THEN (p.consumer_group, p.service, p.partition, p.sequence)
                  IN (SELECT consumer_group, service, partition, sequence FROM meant)
             ELSE (p.consumer_group, p.aggregate_id) IN (SELECT consumer_group, aggregate_id FROM meant)
                  AND NOT EXISTS (SELECT FROM parked_event q
                                    WHERE (q.consumer_group, q.aggregate_id) = (p.consumer_group, p.aggregate_id)
                                      AND (q.service, coalesce(q.aggregate_version, 0), q.partition, q.sequence)
                                        < (p.service, coalesce(p.aggregate_version, 0), p.partition, p.sequence)) END
           ORDER BY p.parked_at, p.consumer_group, p.service, p.partition, p.sequence LIMIT {limit}"
    ))
    .all(&site.db)
    .await
}

/// What became of one event that was to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, or its aggregate was taken up.
    Applied,
    /// It failed again.
    FailedAgain,
    /// Nobody has tried it yet, or nobody has said how that ended.
    Waiting,
}

/// Looks what became of events that were to be tried again.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn outcomes(site: &Site, redriven: &[Redrive]) -> Result<Vec<Outcome>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        attempts: Option<i32>,
        is_asked_for: bool,
    }
    let places = serde_json::to_value(redriven).map_err(|error| DbErr::Json(error.to_string()))?;
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT p.attempts, coalesce(p.retry_at IS NOT NULL AND p.reason <> 'retry', false) AS is_asked_for
           FROM jsonb_array_elements({places}) WITH ORDINALITY AS place (value, at) LEFT JOIN parked_event p
             ON p.consumer_group = place.value ->> 'consumer_group' AND p.service = place.value ->> 'service'
            AND p.partition = (place.value ->> 'partition')::smallint
            AND p.sequence = (place.value ->> 'sequence')::bigint
           ORDER BY place.at"
    ))
    .all(&site.db)
    .await?;
    let outcome = |(row, before): (Row, &Redrive)| match row.attempts {
        None => Outcome::Applied,
        Some(attempts) if attempts > before.attempts && !row.is_asked_for => Outcome::FailedAgain,
        Some(_) => Outcome::Waiting,
    };
    Ok(rows.into_iter().zip(redriven).map(outcome).collect())
}

/// Gives one parked event up: it will never take effect in this group, in no rebuild either. Its entry is kept in the action's row, and the next
/// parked event of its aggregate is tried.
///
/// # Errors
///
/// [`CommandError::Refused`] without a reason, and for an event that is not the first of its aggregate: those behind it were
/// written by somebody who had seen it.
pub async fn skip(
    site: &Site,
    order: &Order,
    group: &str,
    service: &str,
    partition: i16,
    sequence: i64,
) -> Result<Done<Parked>, CommandError> {
    let txn = site.db.begin().await?;
    // The consumer cannot park or apply a later event of the aggregate before this transaction ends.
    txn.execute_raw(raw_sql!(
        Postgres,
        "SELECT FROM watermark WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
           FOR UPDATE"
    ))
    .await?;
    let filter =
        Filter { group: Some(group.to_owned()), sequence: Some(sequence), ..Filter::default() };
    let mut found = select(&txn, &filter, 1_000).await?;
    found.retain(|event| event.service == service && event.partition == partition);
    let Some(event) = found.first() else { return Ok(Done::new(order, found)) };
    let (aggregate, entry) = (event.aggregate_id, event.entry.clone());
    let first =
        select(&txn, &Filter { group: Some(group.to_owned()), aggregate, ..Filter::default() }, 1)
            .await?;
    if aggregate.is_some() && first.first().is_some_and(|first| first != event) {
        let first = first.first().map_or(0, |first| first.sequence);
        return Err(CommandError::refused(
            format!("{sequence} waits behind {first} of the same aggregate"),
            format!("redrive or skip {first} first"),
        ));
    }
    if order.dry_run {
        return Ok(Done::new(order, found));
    }
    let Some(reason) = order.reason.as_deref() else {
        return Err(CommandError::refused(
            "a skipped event never takes effect",
            "say why with `--reason`",
        ));
    };
    let operator = order.operator.as_str();
    let arguments = json!({
        "group": group, "service": service, "partition": partition, "sequence": sequence,
        "reason": event.reason, "error": event.error, "entry": entry,
    });
    actions::record(&txn, order, "parked skip", arguments).await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "WITH gone AS (
           DELETE FROM parked_event WHERE consumer_group = {group} AND service = {service}
             AND partition = {partition} AND sequence = {sequence})
         INSERT INTO skipped_event (consumer_group, service, partition, sequence, operator, reason)
           VALUES ({group}, {service}, {partition}, {sequence}, {operator}, {reason}) ON CONFLICT DO NOTHING"
    ))
    .await?;
    if aggregate.is_some() {
        txn.execute_raw(raw_sql!(
            Postgres,
            "UPDATE parked_event SET retry_at = now()
               WHERE consumer_group = {group} AND aggregate_id = {aggregate}
                 AND (service, partition, sequence) = (
                   SELECT service, partition, sequence FROM parked_event
                     WHERE consumer_group = {group} AND aggregate_id = {aggregate}
                     ORDER BY service, coalesce(aggregate_version, 0), partition, sequence LIMIT 1)"
        ))
        .await?;
    }
    txn.commit().await?;
    Ok(Done::new(order, found))
}
