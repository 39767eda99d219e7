//! Trying again without anybody's doing: after a pause that grows, and when a build knows what the last one did not.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::redrive::redrive;
use crate::{
    EventStore, consumer::Handler, lease::Subscription, redis::random, store::to_smallint,
};

/// The shortest pause before another try.
pub(super) const LEAST: Duration = Duration::from_millis(200);

/// The longest.
const MOST: Duration = Duration::from_mins(5);

/// How long an event that was asked for belongs to the owner that took it up; after that it is asked for again.
pub(super) const LEASE: Duration = Duration::from_mins(5);

/// After so many attempts only an operator tries again.
const ATTEMPTS: i32 = 20;

/// After so many attempts an event that was not known to fail is taken for one that ends the process.
pub(super) const CRASHES: i32 = 5;

/// Aggregates that are tried again in one go, before the owner looks at its lease again.
const PAGE: i64 = 16;

/// What is to become of an event that failed again.
pub(super) struct Verdict<'a> {
    pub(super) reason: &'a str,
    pub(super) attempts: i32,
    pub(super) pause: Option<Duration>,
}

/// For an event that asked to be tried again, after so many attempts.
pub(super) fn verdict(attempts: i32) -> Verdict<'static> {
    if attempts >= ATTEMPTS {
        return Verdict { reason: "retry_exhausted", attempts, pause: None };
    }
    Verdict { reason: "retry", attempts, pause: Some(delay(attempts)) }
}

/// The pause after so many attempts: anything between 200 ms and a ceiling that doubles each time, up to five minutes.
pub(crate) fn delay(attempts: i32) -> Duration {
    let doubled = 1_u32 << u32::try_from(attempts).unwrap_or(0).min(16);
    let ceiling = LEAST.saturating_mul(doubled).min(MOST);
    LEAST + ceiling.saturating_sub(LEAST).mul_f64(random())
}

#[derive(FromQueryResult)]
struct Due {
    aggregate_id: Option<Uuid>,
}

/// Tries those events of a partition again whose time has come, each with what waits behind it, until told to stop. One that
/// cannot be tried for the database's sake holds up no other.
pub(crate) async fn retry_due(
    store: &EventStore,
    handler: &dyn Handler,
    subscription: Subscription,
    turn: Option<&Mutex<()>>,
    stop: &CancellationToken,
) -> Result<(), DbErr> {
    let Subscription { group, key } = subscription;
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let lease = LEASE.as_secs_f64();
    // Not at once again, whatever comes of the attempt, and not lost either if this process ends before it.
    let due = Due::find_by_statement(raw_sql!(
        Postgres,
        "WITH due AS (
           SELECT sequence, aggregate_id FROM parked_event
             WHERE consumer_group = {group} AND service = {service} AND partition = {partition} AND retry_at <= now()
             ORDER BY retry_at LIMIT {PAGE}
         ), taken AS (
           UPDATE parked_event p SET retry_at = now() + make_interval(secs => {lease})
             FROM due WHERE p.consumer_group = {group} AND p.service = {service} AND p.partition = {partition}
               AND p.sequence = due.sequence)
         SELECT DISTINCT aggregate_id FROM due"
    ))
    .all(store.db())
    .await?;
    let mut result = Ok(());
    for Due { aggregate_id } in due {
        if stop.is_cancelled() {
            break;
        }
        match redrive(store, handler, aggregate_id, turn, stop).await {
            Ok(redriven) => tracing::info!(
                group,
                aggregate = aggregate_id.map(tracing::field::display),
                redriven.applied,
                redriven.failed_again,
                "parked events tried again"
            ),
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Tries what this build may know better than the last one, and goes on with what was left half-way: the oldest events of
/// their aggregates that are parked for an unknown version, or that wait behind an event which is no longer parked.
pub(crate) async fn mend(
    store: &EventStore,
    handler: &dyn Handler,
    subscription: Subscription,
    turn: Option<&Mutex<()>>,
    stop: &CancellationToken,
) -> Result<(), DbErr> {
    let Subscription { group, key } = subscription;
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE parked_event SET reason = 'crash_loop', error = 'it was tried and nobody said how that ended'
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND reason = 'behind' AND attempts >= {CRASHES}"
        ))
        .await?;
    let heads = Head::find_by_statement(raw_sql!(
        Postgres,
        "SELECT aggregate_id, coalesce(type, '') AS type, reason FROM parked_event p
           WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
             AND reason IN ('unknown_version', 'behind') AND aggregate_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM parked_event e WHERE e.consumer_group = p.consumer_group
                   AND e.aggregate_id = p.aggregate_id AND e.service = p.service
                   AND (coalesce(e.aggregate_version, 0), e.partition, e.sequence)
                     < (coalesce(p.aggregate_version, 0), p.partition, p.sequence))
           ORDER BY sequence"
    ))
    .all(store.db())
    .await?;
    // One of a type tells for all of them.
    let mut unknown: Vec<&str> = Vec::new();
    for Head { aggregate_id, event_type, reason } in &heads {
        if reason == "unknown_version" && unknown.contains(&event_type.as_str()) {
            continue;
        }
        let redriven = redrive(store, handler, Some(*aggregate_id), turn, stop).await?;
        if redriven.applied == 0 {
            unknown.push(event_type);
        } else {
            tracing::info!(group, aggregate = %aggregate_id, redriven.applied, "parked events applied");
        }
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Head {
    aggregate_id: Uuid,
    #[sea_orm(from_alias = "type")]
    event_type: String,
    reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_between_200_ms_and_5_min_and_their_ceiling_doubles() {
        for attempts in 0..ATTEMPTS {
            let ceiling = Duration::from_millis(200 << attempts.min(16)).min(MOST);
            for _ in 0..50 {
                let pause = delay(attempts);
                assert!(pause >= LEAST && pause <= ceiling.max(LEAST), "{attempts}: {pause:?}");
            }
        }
        let longest = (0..200).map(|_| delay(ATTEMPTS)).max();
        assert!(longest > Some(Duration::from_mins(2)), "{longest:?}");
    }

    #[test]
    fn the_twentieth_attempt_is_the_last() {
        assert_eq!(verdict(19).reason, "retry");
        assert!(verdict(19).pause.is_some());
        assert_eq!(verdict(20).reason, "retry_exhausted");
        assert!(verdict(20).pause.is_none());
    }
}
