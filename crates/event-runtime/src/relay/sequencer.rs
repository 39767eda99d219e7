//! The public order: dense sequence numbers, given after commit.

use metrics::{counter, gauge};
use sea_orm::{
    ConnectionTrait, DbErr, FromJsonQueryResult, FromQueryResult, TransactionTrait, raw_sql,
};
use serde::{Deserialize, Serialize};

use crate::{
    EventStore,
    lease::IDLE_TIMEOUT,
    store::{to_integer, to_smallint},
};

/// Events per transaction.
const BATCH: i64 = 2_000;

/// What one transaction did.
pub(super) enum Sequenced {
    /// So many events have a sequence number now, in these partitions; none when none was waiting.
    Events { events: u64, partitions: Vec<u16> },
    /// None: the streams have a newer generation than the caller knows.
    Outdated,
}

/// Gives committed events their partition and their sequence number, the oldest first, up to [`BATCH`] of them.
///
/// Why order holds per aggregate: its second event can only be appended after its first one committed, so whoever sees the
/// second sees the first, at a lower position. The heads' row locks make the numbers dense whoever competes, and whoever
/// begins a new generation holds them too, so everybody who numbers agrees about the number of partitions.
///
/// Without `is_expected` it looks first whether anything waits, since locks for nothing are in others' way.
pub(super) async fn sequence(
    store: &EventStore,
    epoch: u32,
    is_expected: bool,
) -> Result<Sequenced, DbErr> {
    if !is_expected {
        // By the index, which remembers what is dead; a scan of the table would look at it every time, until a vacuum.
        let waiting = raw_sql!(Postgres, "SELECT FROM outbox ORDER BY position LIMIT 1");
        if store.db().query_one_raw(waiting).await?.is_none() {
            return Ok(Sequenced::Events { events: 0, partitions: Vec::new() });
        }
    }

    let txn = store.db().begin().await?;
    lock_heads(&txn).await?;
    // A statement of its own: it must see what a competing relay committed while this one waited for the heads.
    let epoch = to_integer(epoch);
    let numbered = Numbered::find_by_statement(raw_sql!(
        Postgres,
        "WITH generation AS (
           SELECT epoch, partitions FROM stream_epoch ORDER BY epoch DESC LIMIT 1
         ), taken AS (
           DELETE FROM outbox WHERE position <= (
             SELECT max(position) FROM (SELECT position FROM outbox ORDER BY position LIMIT {BATCH}) first)
             AND {epoch} = (SELECT epoch FROM generation)
           RETURNING position, aggregate_hash
         ), numbered AS (
           INSERT INTO publication (partition, sequence, position)
             SELECT head.partition,
                    head.sequence + row_number() OVER (PARTITION BY head.partition ORDER BY taken.position),
                    taken.position
               FROM taken CROSS JOIN generation
               JOIN publication_head head ON head.partition = taken.aggregate_hash % generation.partitions
           RETURNING partition
         ), moved AS (
           UPDATE publication_head head SET sequence = head.sequence + given.events
             FROM (SELECT partition, count(*) AS events FROM numbered GROUP BY partition) given
             WHERE given.partition = head.partition
         )
         SELECT count(*) AS events, (SELECT count(*) FROM taken) AS taken, (SELECT epoch FROM generation) AS epoch,
                coalesce(jsonb_agg(DISTINCT partition), '[]') AS partitions
           FROM numbered"
    ))
    .one(&txn)
    .await?;
    let (events, partitions) = match numbered {
        Some(Numbered { epoch: newest, .. }) if newest != epoch => return Ok(Sequenced::Outdated),
        Some(Numbered { events, taken, partitions, .. }) if events == taken => {
            (u64::try_from(events).unwrap_or(0), partitions.0)
        }
        Some(_) | None => return Err(DbErr::Custom("a partition has no head".to_owned())),
    };
    txn.commit().await?;
    if events > 0 {
        counter!("events_sequenced_batches_total").increment(1);
        counter!("events_sequenced_total").increment(events);
    }
    Ok(Sequenced::Events { events, partitions })
}

/// Locks all heads of a store until the transaction ends: nobody else gives numbers or begins a generation meanwhile. A
/// process that is stopped while it holds them must not hold up the others for as long as it sleeps.
pub(crate) async fn lock_heads(txn: &impl ConnectionTrait) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "SELECT set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true) FROM (
           SELECT FROM publication_head ORDER BY partition FOR UPDATE) heads"
    ))
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Numbered {
    events: i64,
    taken: i64,
    /// The newest generation.
    epoch: i32,
    /// Where there are new numbers.
    partitions: Partitions,
}

#[derive(Serialize, Deserialize, FromJsonQueryResult)]
struct Partitions(Vec<u16>);

#[derive(FromQueryResult)]
struct Head {
    sequence: i64,
}

/// The last sequence number given in a partition.
pub(super) async fn head(store: &EventStore, partition: u16) -> Result<u64, DbErr> {
    let partition = to_smallint(partition);
    let head = Head::find_by_statement(raw_sql!(
        Postgres,
        "SELECT sequence FROM publication_head WHERE partition = {partition}"
    ))
    .one(store.db())
    .await?;
    Ok(head.and_then(|head| u64::try_from(head.sequence).ok()).unwrap_or(0))
}

#[derive(FromQueryResult)]
struct Outbox {
    depth: i64,
    oldest_seconds: f64,
}

/// Publishes how much waits in the outbox, counted up to 100 000, and how long the oldest has waited.
pub(super) async fn observe(store: &EventStore) -> Result<(), DbErr> {
    let outbox = Outbox::find_by_statement(raw_sql!(
        Postgres,
        "SELECT (SELECT count(*) FROM (SELECT FROM outbox ORDER BY position LIMIT 100000) waiting) AS depth,
                coalesce(extract(epoch FROM now() - (
                  SELECT e.occurred_at FROM outbox o JOIN event e ON e.position = o.position
                    ORDER BY o.position LIMIT 1)), 0)::float8 AS oldest_seconds"
    ))
    .one(store.db())
    .await?;
    if let Some(Outbox { depth, oldest_seconds }) = outbox {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; a backlog of 2^52 is not exact"
        )]
        gauge!("events_outbox_depth").set(depth as f64);
        gauge!("events_outbox_oldest_seconds").set(oldest_seconds);
    }
    Ok(())
}
