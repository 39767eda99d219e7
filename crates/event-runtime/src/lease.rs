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

/// How long a partition is left alone after working on it has failed.
const REST: Duration = Duration::from_millis(500);

/// How often a process that stops looks whether its consumers have given everything back.
const DRAIN: Duration = Duration::from_millis(20);

/// How long it waits for them; what they hold after that ends by itself.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// One consumer group on one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subscription {
    pub(crate) group: &'static str,
    pub(crate) key: StreamKey,
}

/// A lease that was just taken: the right to become the owner with [`Leases::enter`].
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) subscription: Subscription,
    epoch: i64,
    /// The last owner did not give it back: it was killed, or cut off.
    is_orphan: bool,
    /// Cancelled when the lease is lost, or should be given back.
    pub(crate) lost: CancellationToken,
}

/// The right to work on a partition, until its lease is lost.
#[derive(Clone, Debug)]
pub(crate) struct Ownership {
    pub(crate) epoch: i64,
    /// Everything up to here took effect before this owner came.
    pub(crate) watermark: u64,
    /// The generation of the stream in which that counts.
    pub(crate) stream_epoch: u32,
    /// What took effect ahead of it.
    pub(crate) inbox: Vec<u64>,
    /// How many owners in a row have ended without a word since the watermark moved last.
    pub(crate) orphaned: i32,
    /// The highest event whose last attempt ended without a word; 0 if there is none.
    pub(crate) attempted: u64,
}

/// All leases of one process.
pub(crate) struct Leases {
    db: DatabaseConnection,
    owner: Uuid,
    held: Mutex<HashMap<Subscription, Held>>,
    /// Not asked for before that moment, since working on it has just failed.
    resting: Mutex<HashMap<Subscription, Instant>>,
    /// How many partitions there are to share, by group.
    partitions: Mutex<HashMap<&'static str, usize>>,
}

/// A lease of this process, until it has been given back.
struct Held {
    lost: CancellationToken,
    is_leaving: bool,
}

#[derive(FromQueryResult)]
struct Replicas {
    consumer_group: String,
    live: i64,
}

#[derive(FromQueryResult)]
struct TakenRow {
    consumer_group: String,
    service: String,
    partition: i16,
    epoch: i64,
    is_orphan: bool,
}

#[derive(FromQueryResult)]
struct WatermarkRow {
    sequence: i64,
    stream_epoch: i32,
    takeovers: i32,
}

#[derive(FromQueryResult)]
struct InboxRow {
    sequence: i64,
}

#[derive(FromQueryResult)]
struct AttemptRow {
    sequence: i64,
}

#[derive(FromQueryResult)]
struct Renewed {
    consumer_group: String,
    service: String,
    partition: i16,
}

impl Leases {
    /// The leases of a process with these groups, of which no partitions are known yet.
    pub(crate) fn new(
        db: DatabaseConnection,
        groups: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let partitions = Mutex::new(groups.into_iter().map(|group| (group, 0)).collect());
        #[expect(
            clippy::disallowed_methods,
            reason = "names this process; nothing is ordered by it"
        )]
        let owner = Uuid::new_v4();
        Self { db, owner, held: Mutex::default(), resting: Mutex::default(), partitions }
    }

    /// Takes note of another partition of a group.
    pub(crate) fn share_one_more(&self, group: &'static str) {
        *self.partitions().entry(group).or_insert(0) += 1;
    }

    fn partitions(&self) -> MutexGuard<'_, HashMap<&'static str, usize>> {
        self.partitions.lock().expect("no holder of this lock panics")
    }

    /// The name of this process.
    pub(crate) fn owner(&self) -> Uuid {
        self.owner
    }

    /// Those that this process neither has nor has just failed at.
    pub(crate) fn wanted(&self, all: &[Subscription]) -> Vec<Subscription> {
        let (held, mut resting) = (self.held(), self.resting());
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        let is_wanted = |subscription: &&Subscription| {
            !held.contains_key(subscription) && !resting.contains_key(subscription)
        };
        all.iter().filter(is_wanted).copied().collect()
    }

    /// Lets a partition be, so that a failure that comes again at once is no hot loop.
    pub(crate) fn rest(&self, subscription: Subscription) {
        self.resting().insert(subscription, Instant::now() + REST);
    }

    /// Takes those that nobody holds, as many as are this process's part, in one statement. It waits for nobody.
    /// Each is lost at the latest when `shutdown` is cancelled.
    pub(crate) async fn acquire(
        &self,
        wanted: &[Subscription],
        shutdown: &CancellationToken,
    ) -> Result<Vec<Taken>, DbErr> {
        let owner = self.owner;
        let rows = wanted.iter().map(|Subscription { group, key }| {
            let all = self.partitions().get(group).copied().unwrap_or(1);
            serde_json::json!({ "g": group, "s": key.service.as_str(), "p": key.partition, "n": all })
        });
        let rows = serde_json::Value::Array(rows.collect());
        let taken = TakenRow::find_by_statement(raw_sql!(
            Postgres,
            "WITH wanted AS (
               SELECT * FROM jsonb_to_recordset({rows}) AS w (g text, s text, p smallint, n bigint)
             ), free AS (
               SELECT w.*, greatest(l.epoch, m.epoch, 0) + 1 AS epoch,
                      coalesce(l.expires_at > '-infinity' AND l.owner <> {owner}, false) AS is_orphan,
                      row_number() OVER (PARTITION BY w.g ORDER BY w.s, w.p) AS place
                 FROM wanted w
                 LEFT JOIN lease l ON (l.consumer_group, l.service, l.partition) = (w.g, w.s, w.p)
                 LEFT JOIN watermark m ON (m.consumer_group, m.service, m.partition) = (w.g, w.s, w.p)
                 -- Its own is one that it could not give back, or whose taking was not confirmed.
                 WHERE (l.owner IS NULL OR l.expires_at < now() OR l.owner = {owner})
                   AND NOT coalesce(m.is_paused, false)
             ), taken AS (
               INSERT INTO lease (consumer_group, service, partition, owner, epoch, expires_at)
                 SELECT g, s, p, {owner}, epoch, now() + make_interval(secs => {TTL_SECONDS})
                   FROM free f
                   WHERE (place - 1 + (SELECT count(*) FROM lease h
                            WHERE h.consumer_group = g AND h.owner = {owner} AND h.expires_at > now()
                              AND NOT EXISTS (SELECT FROM free o
                                    WHERE (o.g, o.s, o.p) = (h.consumer_group, h.service, h.partition))))
                         * (SELECT greatest(1, count(*)) FROM replica r
                              WHERE r.consumer_group = g AND r.expires_at > now()) < n
                   ORDER BY g, s, p
                 ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE
                   SET owner = EXCLUDED.owner, epoch = greatest(EXCLUDED.epoch, lease.epoch + 1),
                       expires_at = EXCLUDED.expires_at
                   WHERE lease.expires_at < now() OR lease.owner = EXCLUDED.owner
                 RETURNING consumer_group, service, partition, epoch)
             SELECT t.*, f.is_orphan FROM taken t
               JOIN free f ON (f.g, f.s, f.p) = (t.consumer_group, t.service, t.partition)"
        ))
        .all(&self.db)
        .await?;

        let mut held = self.held();
        let taken = taken.into_iter().filter_map(|row| {
            let subscription = *wanted.iter().find(|wanted| row.names(wanted))?;
            let lost = shutdown.child_token();
            held.insert(subscription, Held { lost: lost.clone(), is_leaving: false });
            Some(Taken { subscription, epoch: row.epoch, is_orphan: row.is_orphan, lost })
        });
        Ok(taken.collect())
    }

    /// Becomes the owner: waits for the transactions of the last one to end, and keeps it from beginning others. `None` if
    /// a newer owner has been here meanwhile.
    pub(crate) async fn enter(&self, taken: &Taken) -> Result<Option<Ownership>, DbErr> {
        let Taken { subscription: Subscription { group, key }, epoch, is_orphan, .. } = *taken;
        let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
        let txn = self.db.begin().await?;
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO watermark (consumer_group, service, partition)
               VALUES ({group}, {service}, {partition}) ON CONFLICT DO NOTHING"
        ))
        .await?;
        // Lanes hold the row for share of its key: this waits for all of them.
        txn.execute_raw(raw_sql!(
            Postgres,
            "SELECT FROM watermark
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition} FOR UPDATE"
        ))
        .await?;
        let entered = WatermarkRow::find_by_statement(raw_sql!(
            Postgres,
            "UPDATE watermark SET epoch = {epoch}, takeovers = takeovers + CASE WHEN {is_orphan} THEN 1 ELSE 0 END
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition} AND epoch <= {epoch}
               RETURNING sequence, stream_epoch, takeovers"
        ))
        .one(&txn)
        .await?;
        let Some(WatermarkRow { sequence, stream_epoch, takeovers }) = entered else {
            return Ok(None);
        };
        let inbox = InboxRow::find_by_statement(raw_sql!(
            Postgres,
            "WITH old AS (
               DELETE FROM inbox WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence <= {sequence})
             SELECT sequence FROM inbox WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND sequence > {sequence}"
        ))
        .all(&txn)
        .await?;
        // An owner that left in good order was not ended by the event that it had in hand.
        let attempted = AttemptRow::find_by_statement(raw_sql!(
            Postgres,
            "WITH old AS (
               DELETE FROM attempt WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence <= {sequence}
             ), kept AS (
               UPDATE attempt SET attempts = attempts - CASE WHEN {is_orphan} THEN 0 ELSE 1 END
                 WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                   AND sequence > {sequence}
                 RETURNING sequence)
             SELECT coalesce(max(sequence), 0) AS sequence FROM kept"
        ))
        .one(&txn)
        .await?;
        txn.commit().await?;
        let unsigned = |sequence| u64::try_from(sequence).unwrap_or(0);
        Ok(Some(Ownership {
            epoch,
            watermark: unsigned(sequence),
            stream_epoch: u32::try_from(stream_epoch).unwrap_or(0),
            inbox: inbox.into_iter().map(|row| unsigned(row.sequence)).collect(),
            orphaned: takeovers,
            attempted: attempted.map_or(0, |row| unsigned(row.sequence)),
        }))
    }

    /// Gives a partition up at once, so that another process need not wait for the lease to end.
    pub(crate) async fn release(&self, taken: &Taken) -> Result<(), DbErr> {
        let Taken { subscription, epoch, .. } = *taken;
        let Subscription { group, key } = subscription;
        if let Some(held) = self.held().get_mut(&subscription) {
            held.is_leaving = true;
        }
        let (owner, service, partition) =
            (self.owner, key.service.as_str(), to_smallint(key.partition));
        let released = self
            .db
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE lease SET expires_at = '-infinity'
                   WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                     AND owner = {owner} AND epoch = {epoch}"
            ))
            .await;
        self.held().remove(&subscription);
        released.map(|_| ())
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
        let groups = serde_json::json!(self.partitions().keys().collect::<Vec<_>>());
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
        let before: Vec<Subscription> = {
            let held = self.held();
            let kept = held.iter().filter(|(_, held)| !held.is_leaving);
            kept.map(|(subscription, _)| *subscription).collect()
        };
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
            // In one order everywhere, so that two processes cannot wait for each other.
            "WITH mine AS (
               SELECT l.consumer_group, l.service, l.partition
                 FROM lease l JOIN jsonb_to_recordset({held}) AS held (g text, s text, p smallint)
                   ON (l.consumer_group, l.service, l.partition) = (held.g, held.s, held.p)
                 WHERE l.owner = {owner} AND l.expires_at > '-infinity'
                 ORDER BY l.consumer_group, l.service, l.partition FOR UPDATE OF l)
             UPDATE lease SET expires_at = now() + make_interval(secs => {TTL_SECONDS})
               FROM mine m LEFT JOIN watermark w USING (consumer_group, service, partition)
               WHERE (lease.consumer_group, lease.service, lease.partition) = (m.consumer_group, m.service, m.partition)
                 AND NOT coalesce(w.is_paused, false)
               RETURNING lease.consumer_group, lease.service, lease.partition"
        ))
        .all(&self.db)
        .await?;
        let held = self.held();
        for subscription in before {
            let is_kept = renewed.iter().any(|row| row.names(&subscription));
            if !is_kept
                && let Some(Held { lost, is_leaving: false }) = held.get(&subscription)
                && !lost.is_cancelled()
            {
                tracing::warn!(group = subscription.group, stream = %subscription.key, "lease lost");
                metrics::counter!("events_lease_lost_total").increment(1);
                lost.cancel();
            }
        }
        Ok(())
    }

    /// Tells the consumers of partitions beyond this process's part to give them back.
    fn share(&self, live: &[Replicas]) {
        let held = self.held();
        for Replicas { consumer_group, live } in live {
            let all = self.partitions().get(consumer_group.as_str()).copied().unwrap_or(0);
            let part = all.div_ceil(usize::try_from(*live).unwrap_or(1).max(1));
            let mut mine: Vec<(&Subscription, &Held)> = held
                .iter()
                .filter(|(subscription, held)| {
                    subscription.group == consumer_group && !held.lost.is_cancelled()
                })
                .collect();
            mine.sort_unstable_by_key(|(subscription, _)| subscription.key);
            for (subscription, held) in mine.into_iter().skip(part) {
                tracing::info!(group = consumer_group, stream = %subscription.key, "given to another replica");
                held.lost.cancel();
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Subscription, Held>> {
        self.held.lock().expect("no holder of this lock panics")
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<Subscription, Instant>> {
        self.resting.lock().expect("no holder of this lock panics")
    }
}

impl TakenRow {
    fn names(&self, subscription: &Subscription) -> bool {
        names(subscription, &self.consumer_group, &self.service, self.partition)
    }
}

impl Renewed {
    fn names(&self, subscription: &Subscription) -> bool {
        names(subscription, &self.consumer_group, &self.service, self.partition)
    }
}

fn names(subscription: &Subscription, group: &str, service: &str, partition: i16) -> bool {
    let Subscription { group: its_group, key } = subscription;
    *its_group == group
        && key.service.as_str() == service
        && to_smallint(key.partition) == partition
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
