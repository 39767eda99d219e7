//! Trying parked events again, oldest first, each in a transaction that also takes it out of the park.

use metrics::counter;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{insert::without_nul, retry};
use crate::{
    ApplyError, EventStore, UnitOfWork,
    consumer::{Handler, handle},
    error::chain,
    lease::IDLE_TIMEOUT,
    stream::{Entry, StreamKey},
};

/// What a redrive came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// Events that took effect now.
    pub applied: u64,
    /// Whether one failed again, and with it everything behind it stayed parked.
    pub failed_again: bool,
}

/// A parked event that is about to be tried.
#[derive(FromQueryResult)]
struct Oldest {
    service: String,
    partition: i16,
    sequence: i64,
    entry: String,
    reason: String,
    attempts: i32,
}

/// Applies the parked events of one aggregate, or those of no aggregate at all, oldest first, each in a transaction of its
/// own that also takes it out of the park. Stops at the first one that fails again, and between two when it has to. `turn` is
/// held while one is applied, if the group's batches in this process hold it too.
pub(crate) async fn redrive(
    store: &EventStore,
    handler: &dyn Handler,
    aggregate: Option<Uuid>,
    turn: Option<&Mutex<()>>,
    stop: &CancellationToken,
) -> Result<Redriven, DbErr> {
    let mut redriven = Redriven::default();
    // Those that cannot be read block nobody; each of them is tried once.
    let mut after = (String::new(), -1, -1);
    while !stop.is_cancelled() {
        let Some(oldest) = claim(store, handler.group(), aggregate, &after).await? else { break };
        let turn = match turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let work = store.begin().await?;
        if !lock(&work, handler.group(), aggregate, &oldest).await? {
            // Somebody else has just done it.
            continue;
        }
        let outcome = match apply(&work, handler, &oldest).await {
            Ok(()) => {
                remove(&work, handler.group(), &oldest).await?;
                work.commit().await.map_err(ApplyError::from)
            }
            Err(error) => {
                work.rollback().await?;
                Err(error)
            }
        };
        drop(turn);
        let group = handler.group();
        match outcome {
            Ok(()) => {
                counter!("events_redriven_total", "group" => group, "outcome" => "applied")
                    .increment(1);
                redriven.applied += 1;
            }
            Err(error) => {
                counter!("events_redriven_total", "group" => group, "outcome" => "failed")
                    .increment(1);
                note_failure(store, group, &oldest, error).await?;
                redriven.failed_again = true;
                if aggregate.is_some() {
                    return Ok(redriven);
                }
                after = (oldest.service, oldest.partition, oldest.sequence);
            }
        }
    }
    Ok(redriven)
}

/// Counts an attempt on the oldest parked event, before its handler runs, since that may end the process. If nobody says how
/// the attempt ended, it is tried again after [`LEASE`](retry::LEASE), unless it is suspected of ending those who try it.
///
/// The oldest by the version of its aggregate: in a later generation of streams an aggregate may be in another partition, where
/// numbers are lower.
async fn claim(
    store: &EventStore,
    group: &str,
    aggregate: Option<Uuid>,
    (service, partition, sequence): &(String, i16, i64),
) -> Result<Option<Oldest>, DbErr> {
    let service = service.as_str();
    let (partition, sequence) = (*partition, *sequence);
    let (lease, crashes) = (retry::LEASE.as_secs_f64(), retry::CRASHES);
    let oldest = Oldest::find_by_statement(raw_sql!(
        Postgres,
        "UPDATE parked_event p SET attempts = p.attempts + 1,
                retry_at = CASE WHEN p.reason = 'retry' OR p.attempts + 1 < {crashes} AND p.reason <> 'crash_loop'
                                THEN now() + make_interval(secs => {lease}) END
           FROM (SELECT service, partition, sequence FROM parked_event
                   WHERE consumer_group = {group} AND aggregate_id IS NOT DISTINCT FROM {aggregate}
                     AND (service, partition, sequence) > ({service}, {partition}, {sequence})
                   ORDER BY service, coalesce(aggregate_version, 0), partition, sequence LIMIT 1) oldest
           WHERE p.consumer_group = {group}
             AND (p.service, p.partition, p.sequence) = (oldest.service, oldest.partition, oldest.sequence)
           RETURNING p.service, p.partition, p.sequence, p.entry, p.reason, p.attempts"
    ))
    .one(store.db())
    .await?;
    if let Some(Oldest { service, partition, sequence, .. }) = &oldest {
        let (service, partition, sequence) = (service.as_str(), *partition, *sequence);
        // This attempt is the answer to whoever asked for one behind it. Those of no aggregate are asked for one by one.
        store
            .db()
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE parked_event SET retry_at = NULL
                   WHERE consumer_group = {group} AND aggregate_id = {aggregate} AND retry_at IS NOT NULL
                     AND reason <> 'retry' AND (service, partition, sequence) <> ({service}, {partition}, {sequence})"
            ))
            .await?;
    }
    Ok(oldest)
}

/// Locks the watermarks of the partitions concerned, so that a consumer can neither park nor apply a later event of the
/// aggregate before this transaction ends. `false` if the event is no longer parked.
async fn lock(
    work: &UnitOfWork,
    group: &str,
    aggregate: Option<Uuid>,
    Oldest { service, partition, sequence, .. }: &Oldest,
) -> Result<bool, DbErr> {
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
    let (service, partition, sequence) = (service.as_str(), *partition, *sequence);
    let is_there = work
        .txn()
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT FROM parked_event WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND sequence = {sequence}"
        ))
        .await?;
    Ok(is_there.is_some())
}

async fn apply(
    work: &UnitOfWork,
    handler: &dyn Handler,
    oldest: &Oldest,
) -> Result<(), ApplyError> {
    let fields = serde_json::from_str(&oldest.entry)
        .map_err(|error| ApplyError::reject("undecodable", error))?;
    let service =
        oldest.service.parse().map_err(|error: shared_schemas::choice::UnknownChoice| {
            ApplyError::reject("undecodable", error)
        })?;
    let key = StreamKey::new(service, u16::try_from(oldest.partition).unwrap_or(0));
    let entry = Entry { sequence: u64::try_from(oldest.sequence).unwrap_or(0), fields };
    let event = entry.decode(key).map_err(|error| ApplyError::reject("undecodable", error))?;
    handle(handler, work, &[event]).await
}

async fn remove(work: &UnitOfWork, group: &str, oldest: &Oldest) -> Result<(), DbErr> {
    let Oldest { service, partition, sequence, .. } = oldest;
    let (service, partition, sequence) = (service.as_str(), *partition, *sequence);
    work.txn()
        .execute_raw(raw_sql!(
            Postgres,
            "DELETE FROM parked_event WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND sequence = {sequence}"
        ))
        .await?;
    Ok(())
}

/// Leaves word of a failed attempt, and of when the next one is due.
async fn note_failure(
    store: &EventStore,
    group: &str,
    oldest: &Oldest,
    error: ApplyError,
) -> Result<(), DbErr> {
    let text = without_nul(&chain(&error));
    let is_infrastructure = error.is_infrastructure();
    let verdict = match error {
        // Not the event's doing, and not counted.
        ApplyError::Retry(_) if is_infrastructure => retry::Verdict {
            reason: &oldest.reason,
            attempts: oldest.attempts - 1,
            pause: Some(retry::LEAST),
        },
        ApplyError::Retry(_) => retry::verdict(oldest.attempts),
        // A build that does not know the version has not tried it.
        ApplyError::Reject { reason: "unknown_version", .. }
            if oldest.reason == "unknown_version" =>
        {
            retry::Verdict { reason: "unknown_version", attempts: oldest.attempts - 1, pause: None }
        }
        ApplyError::Reject { reason, .. } => {
            retry::Verdict { reason, attempts: oldest.attempts, pause: None }
        }
    };
    let retry::Verdict { reason, attempts, pause } = verdict;
    let pause = pause.map(|pause| pause.as_secs_f64());
    let Oldest { service, partition, sequence, .. } = oldest;
    let (service, partition, sequence) = (service.as_str(), *partition, *sequence);
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE parked_event SET error = {text}, reason = {reason}, attempts = {attempts},
                    retry_at = now() + make_interval(secs => {pause})
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence = {sequence}"
        ))
        .await?;
    Ok(())
}
