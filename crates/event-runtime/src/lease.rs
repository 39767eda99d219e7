//! Leases: who works on which partition, and how an owner that lost its lease is kept from doing harm.
//!
//! Two rows per partition. `lease` says who is alive, by the database's clock, and is renewed every second; it only decides
//! who tries. `watermark` carries the epoch of the last owner, and every batch moves it with `WHERE epoch = mine`: a process
//! that slept past its lease finds another epoch, and its transaction changes nothing. Taking over waits for the row lock
//! of a batch in flight, so there is never a moment with two owners whose effects both count. A batch of a process that was
//! stopped is ended by the database after [`IDLE_TIMEOUT`].
//!
//! Replicas share: nobody takes more than its part of a group's partitions, and who has more gives some back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, TransactionTrait, raw_sql,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{error::chain, store::to_smallint, stream::StreamKey};

/// How long a lease outlives its last renewal, in seconds; also the longest that a killed owner delays its partition.
const TTL_SECONDS: i32 = 3;

/// How long a transaction that holds a watermark may do nothing: no longer than a lease lives.
pub(crate) const IDLE_TIMEOUT: &str = "3s";

/// How often all leases of a process are renewed, in one statement.
const RENEW: Duration = Duration::from_secs(1);

/// How often a process that stops looks whether its consumers have given everything back.
const DRAIN: Duration = Duration::from_millis(50);

/// How long it waits for them; what they hold after that ends by itself.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// One consumer group on one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subscription {
    pub(crate) group: &'static str,
    pub(crate) key: StreamKey,
}

/// The right to work on a partition, until `lost` is cancelled.
#[derive(Clone, Debug)]
pub(crate) struct Ownership {
    pub(crate) epoch: i64,
    /// Everything up to here took effect before this owner came.
    pub(crate) watermark: u64,
    pub(crate) lost: CancellationToken,
}

/// All leases of one process.
pub(crate) struct Leases {
    db: DatabaseConnection,
    owner: Uuid,
    held: Mutex<HashMap<Subscription, CancellationToken>>,
    /// How many partitions there are to share, by group.
    partitions: HashMap<&'static str, usize>,
}

#[derive(FromQueryResult)]
struct Replicas {
    consumer_group: String,
    live: i64,
}

#[derive(FromQueryResult)]
struct Taken {
    epoch: i64,
}

#[derive(FromQueryResult)]
struct Fenced {
    sequence: i64,
}

#[derive(FromQueryResult)]
struct Renewed {
    consumer_group: String,
    service: String,
    partition: i16,
}

impl Leases {
    /// The leases of a process with these groups, each with the number of its partitions.
    pub(crate) fn new(db: DatabaseConnection, partitions: HashMap<&'static str, usize>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "names this process; nothing is ordered by it"
        )]
        let owner = Uuid::new_v4();
        Self { db, owner, held: Mutex::default(), partitions }
    }

    /// Takes a partition if nobody else holds it and this process has less than its part of them.
    pub(crate) async fn acquire(
        &self,
        subscription: Subscription,
    ) -> Result<Option<Ownership>, DbErr> {
        let Subscription { group, key } = subscription;
        let (owner, service, partition) =
            (self.owner, key.service.as_str(), to_smallint(key.partition));
        let all = i64::try_from(self.partitions.get(group).copied().unwrap_or(1)).unwrap_or(1);
        let txn = self.db.begin().await?;
        let taken = Taken::find_by_statement(raw_sql!(
            Postgres,
            "INSERT INTO lease (consumer_group, service, partition, owner, epoch, expires_at)
               SELECT {group}, {service}, {partition}, {owner}, 1, now() + make_interval(secs => {TTL_SECONDS})
                 WHERE (SELECT count(*) FROM lease WHERE consumer_group = {group} AND owner = {owner}
                          AND expires_at > now() AND (service, partition) <> ({service}, {partition}))
                       * (SELECT greatest(1, count(*)) FROM replica
                            WHERE consumer_group = {group} AND expires_at > now()) < {all}
               ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE
                 SET owner = EXCLUDED.owner, epoch = lease.epoch + 1, expires_at = EXCLUDED.expires_at
                 -- Its own is one that it could not give back, or whose taking was not confirmed.
                 WHERE lease.expires_at < now() OR lease.owner = EXCLUDED.owner
               RETURNING epoch"
        ))
        .one(&txn)
        .await?;
        let Some(Taken { epoch }) = taken else { return Ok(None) };
        let fenced = Fenced::find_by_statement(raw_sql!(
            Postgres,
            "INSERT INTO watermark (consumer_group, service, partition, epoch)
               VALUES ({group}, {service}, {partition}, {epoch})
               ON CONFLICT ON CONSTRAINT watermark_pkey DO UPDATE SET epoch = EXCLUDED.epoch
               RETURNING sequence"
        ))
        .one(&txn)
        .await?;
        txn.commit().await?;

        let watermark = fenced.and_then(|row| u64::try_from(row.sequence).ok()).unwrap_or(0);
        let lost = CancellationToken::new();
        self.held().insert(subscription, lost.clone());
        Ok(Some(Ownership { epoch, watermark, lost }))
    }

    /// Gives a partition up at once, so that another process need not wait for the lease to end.
    pub(crate) async fn release(&self, subscription: Subscription) -> Result<(), DbErr> {
        self.held().remove(&subscription);
        let Subscription { group, key } = subscription;
        let (owner, service, partition) =
            (self.owner, key.service.as_str(), to_smallint(key.partition));
        self.db
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE lease SET expires_at = '-infinity'
                   WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                     AND owner = {owner}"
            ))
            .await?;
        Ok(())
    }

    /// Keeps the leases of the process alive until it stops and its consumers have given all of them back.
    pub(crate) async fn keep(&self, shutdown: CancellationToken) {
        let mut failing = false;
        while !shutdown.is_cancelled() {
            let kept = async {
                let live = self.announce().await?;
                self.renew().await?;
                self.share(&live);
                Ok(())
            };
            failing = report(&kept.await, failing);
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(RENEW) => (),
            }
        }
        // From now on the others may have its part.
        failing = report(&self.leave().await, failing);
        let stopping = Instant::now();
        let mut renewed = stopping;
        while !self.held().is_empty() && stopping.elapsed() < DRAIN_LIMIT {
            if renewed.elapsed() > RENEW {
                failing = report(&self.renew().await, failing);
                renewed = Instant::now();
            }
            tokio::time::sleep(DRAIN).await;
        }
    }

    /// Says that this process is there; returns how many are, by group.
    async fn announce(&self) -> Result<Vec<Replicas>, DbErr> {
        let owner = self.owner;
        let groups = serde_json::json!(self.partitions.keys().collect::<Vec<_>>());
        Replicas::find_by_statement(raw_sql!(
            Postgres,
            "WITH gone AS (DELETE FROM replica WHERE expires_at < now() - interval '1 minute'),
                  here AS (
               INSERT INTO replica (consumer_group, owner, expires_at)
                 SELECT value, {owner}, now() + make_interval(secs => {TTL_SECONDS})
                   FROM jsonb_array_elements_text({groups}) ORDER BY value
                 ON CONFLICT ON CONSTRAINT replica_pkey DO UPDATE SET expires_at = EXCLUDED.expires_at
                 RETURNING consumer_group)
             SELECT consumer_group, 1 + (SELECT count(*) FROM replica r
                        WHERE r.consumer_group = here.consumer_group AND r.owner <> {owner} AND r.expires_at > now())
                    AS live
               FROM here"
        ))
        .all(&self.db)
        .await
    }

    async fn leave(&self) -> Result<(), DbErr> {
        let owner = self.owner;
        self.db
            .execute_raw(raw_sql!(Postgres, "DELETE FROM replica WHERE owner = {owner}"))
            .await?;
        Ok(())
    }

    async fn renew(&self) -> Result<(), DbErr> {
        let owner = self.owner;
        // What is acquired while the statement runs is not in its answer, and must not count as lost.
        let before: Vec<Subscription> = self.held().keys().copied().collect();
        if before.is_empty() {
            return Ok(());
        }
        // Only what is worked on: a lease that could not be given back must end.
        let held = before.iter().map(|Subscription { group, key }| {
            serde_json::json!({ "g": group, "s": key.service.as_str(), "p": key.partition })
        });
        let held = serde_json::Value::Array(held.collect());
        let renewed = Renewed::find_by_statement(raw_sql!(
            Postgres,
            "UPDATE lease SET expires_at = now() + make_interval(secs => {TTL_SECONDS})
               FROM jsonb_to_recordset({held}) AS held (g text, s text, p smallint)
               WHERE (consumer_group, service, partition) = (held.g, held.s, held.p)
                 AND owner = {owner} AND expires_at > '-infinity'
               RETURNING consumer_group, service, partition"
        ))
        .all(&self.db)
        .await?;
        let mut held = self.held();
        for subscription in before {
            let kept = renewed.iter().any(|row| {
                row.consumer_group == subscription.group
                    && row.service == subscription.key.service.as_str()
                    && row.partition == to_smallint(subscription.key.partition)
            });
            if !kept && let Some(lost) = held.remove(&subscription) {
                tracing::warn!(group = subscription.group, stream = %subscription.key, "lease lost");
                metrics::counter!("events_lease_lost_total").increment(1);
                lost.cancel();
            }
        }
        Ok(())
    }

    /// Tells the consumers of partitions beyond this process's part to give them back.
    fn share(&self, live: &[Replicas]) {
        let mut held = self.held();
        for Replicas { consumer_group, live } in live {
            let all = self.partitions.get(consumer_group.as_str()).copied().unwrap_or(0);
            let part = all.div_ceil(usize::try_from(*live).unwrap_or(1).max(1));
            let mut mine: Vec<Subscription> =
                held.keys().filter(|held| held.group == consumer_group).copied().collect();
            mine.sort_unstable_by_key(|subscription| subscription.key);
            for subscription in mine.into_iter().skip(part) {
                if let Some(lost) = held.remove(&subscription) {
                    tracing::info!(group = consumer_group, stream = %subscription.key, "given to another replica");
                    lost.cancel();
                }
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Subscription, CancellationToken>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

/// Logs once per change of state; returns whether it fails now.
fn report(outcome: &Result<(), DbErr>, was_failing: bool) -> bool {
    if let Err(error) = outcome
        && !was_failing
    {
        tracing::warn!(error = chain(error), "leases cannot be renewed");
    }
    outcome.is_err()
}
