//! Leases: who works on which partition, and how an owner that lost its lease is kept from doing harm.
//!
//! Two rows per partition. `lease` says who is alive, by the database's clock, and is renewed every second; it only decides
//! who tries. `watermark` carries the epoch of the last owner, and every batch moves it with `WHERE epoch = mine`: a process
//! that slept past its lease finds another epoch, and its transaction changes nothing. Taking over waits for the row lock
//! of a batch in flight, so there is never a moment with two owners whose effects both count.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, TransactionTrait, raw_sql,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{error::chain, store::to_smallint, stream::StreamKey};

/// How long a lease outlives its last renewal, in seconds; also the longest that a killed owner delays its partition.
const TTL_SECONDS: i32 = 3;

/// How often all leases of a process are renewed, in one statement.
const RENEW: Duration = Duration::from_secs(1);

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
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "names this process; nothing is ordered by it"
        )]
        let owner = Uuid::new_v4();
        Self { db, owner, held: Mutex::default() }
    }

    /// Takes a partition if nobody holds it.
    pub(crate) async fn acquire(
        &self,
        subscription: Subscription,
    ) -> Result<Option<Ownership>, DbErr> {
        let Subscription { group, key } = subscription;
        let (owner, service, partition) =
            (self.owner, key.service.as_str(), to_smallint(key.partition));
        let txn = self.db.begin().await?;
        let taken = Taken::find_by_statement(raw_sql!(
            Postgres,
            "INSERT INTO lease (consumer_group, service, partition, owner, epoch, expires_at)
               VALUES ({group}, {service}, {partition}, {owner}, 1, now() + make_interval(secs => {TTL_SECONDS}))
               ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE
                 SET owner = EXCLUDED.owner, epoch = lease.epoch + 1, expires_at = EXCLUDED.expires_at
                 WHERE lease.expires_at < now()
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
        self.held.lock().expect("no holder of this lock panics").insert(subscription, lost.clone());
        Ok(Some(Ownership { epoch, watermark, lost }))
    }

    /// Gives a partition up at once, so that another process need not wait for the lease to end.
    pub(crate) async fn release(&self, subscription: Subscription) -> Result<(), DbErr> {
        self.held.lock().expect("no holder of this lock panics").remove(&subscription);
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

    /// Renews all leases of the process until told to stop, and tells the owners of those that are gone.
    pub(crate) async fn keep(&self, shutdown: CancellationToken) {
        let mut failing = false;
        while !shutdown.is_cancelled() {
            match self.renew().await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(error = chain(&error), "leases cannot be renewed");
                    }
                    failing = true;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(RENEW) => (),
            }
        }
    }

    async fn renew(&self) -> Result<(), DbErr> {
        let owner = self.owner;
        // What is acquired while the statement runs is not in its answer, and must not count as lost.
        let before: Vec<Subscription> =
            self.held.lock().expect("no holder of this lock panics").keys().copied().collect();
        if before.is_empty() {
            return Ok(());
        }
        let renewed = Renewed::find_by_statement(raw_sql!(
            Postgres,
            "UPDATE lease SET expires_at = now() + make_interval(secs => {TTL_SECONDS})
               WHERE owner = {owner} AND expires_at > '-infinity'
               RETURNING consumer_group, service, partition"
        ))
        .all(&self.db)
        .await?;
        let mut held = self.held.lock().expect("no holder of this lock panics");
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
}
