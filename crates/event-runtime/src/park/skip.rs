//! Giving a parked event up: an operator's decision, with a name and a reason to it.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use shared_schemas::Service;
use uuid::Uuid;

use crate::{EventStore, store::to_smallint};

/// Which parked events to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// One event. What waits behind it is tried at once.
    Event {
        /// Whose event it is.
        service: Service,
        /// Its partition.
        partition: u16,
        /// Its place in the partition.
        sequence: i64,
    },
    /// Everything that is parked of one aggregate.
    Aggregate(Uuid),
}

#[derive(FromQueryResult)]
struct Skipped {
    events: i64,
}

/// Gives parked events of a group up: they will never take effect there, in no rebuild either. Leaves an operator's action with `operator` and `reason`
/// in the same transaction. Returns how many events were given up; with 0, nothing was parked there, and nothing is left.
///
/// # Errors
///
/// [`DbErr`] if the database fails; then nothing was given up.
pub async fn skip(
    store: &EventStore,
    group: &str,
    skip: Skip,
    operator: &str,
    reason: &str,
) -> Result<u64, DbErr> {
    let (service, partition, sequence, aggregate) = match skip {
        Skip::Event { service, partition, sequence } => {
            (Some(service.as_str()), Some(to_smallint(partition)), Some(sequence), None)
        }
        Skip::Aggregate(id) => (None, None, None, Some(id)),
    };
    let txn = store.db().begin().await?;
    // In the order of all who need both: watermarks first.
    txn.execute_raw(raw_sql!(
        Postgres,
        "SELECT FROM watermark w WHERE w.consumer_group = {group} AND (w.service, w.partition) IN (
             SELECT p.service, p.partition FROM parked_event p WHERE p.consumer_group = {group}
               AND (p.aggregate_id = {aggregate} OR (p.service, p.partition, p.sequence) = ({service}, {partition}, {sequence})))
           ORDER BY w.service, w.partition FOR UPDATE"
    ))
    .await?;
    let skipped = Skipped::find_by_statement(raw_sql!(
        Postgres,
        "WITH skipped AS (
           DELETE FROM parked_event WHERE consumer_group = {group}
             AND (aggregate_id = {aggregate} OR (service, partition, sequence) = ({service}, {partition}, {sequence}))
             RETURNING service, partition, sequence, aggregate_id, type, reason, error
         ), kept AS (
           INSERT INTO skipped_event (consumer_group, service, partition, sequence, operator, reason)
             SELECT {group}, service, partition, sequence, {operator}, {reason} FROM skipped
             ON CONFLICT DO NOTHING
         ), noted AS (
           INSERT INTO operator_action (operator, command, arguments, reason)
             SELECT {operator}, 'parked skip',
                    jsonb_build_object('group', {group}::text, 'events', jsonb_agg(to_jsonb(s))), {reason}
               FROM skipped s HAVING count(*) > 0
         ), next AS (
           -- Those behind it are nobody's turn yet: now they are.
           UPDATE parked_event p SET retry_at = now() FROM skipped s
             WHERE p.consumer_group = {group} AND p.aggregate_id = s.aggregate_id AND p.reason = 'behind'
               AND {aggregate}::uuid IS NULL)
         SELECT count(*) AS events FROM skipped"
    ))
    .one(&txn)
    .await?;
    txn.commit().await?;
    let events = skipped.map_or(0, |skipped| u64::try_from(skipped.events).unwrap_or(0));
    tracing::warn!(group, events, operator, reason, "parked events skipped");
    Ok(events)
}
