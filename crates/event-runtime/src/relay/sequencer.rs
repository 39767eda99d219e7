//! The public order: dense sequence numbers, given after commit.

use metrics::{counter, gauge};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};

use crate::{EventStore, lease::IDLE_TIMEOUT, store::to_smallint};

/// Gives every committed event of one partition its sequence number, `batch` at a time.
///
/// Why order holds per aggregate: its second event can only be appended after its first one committed, so whoever sees the
/// second sees the first, at a lower position. The head's row lock makes the numbers dense whoever competes.
pub(super) async fn sequence(store: &EventStore, partition: u16, batch: i64) -> Result<(), DbErr> {
    let partition = to_smallint(partition);
    loop {
        let waiting = store
            .db()
            .query_one_raw(raw_sql!(
                Postgres,
                "SELECT FROM outbox WHERE partition = {partition} LIMIT 1"
            ))
            .await?;
        if waiting.is_none() {
            return Ok(());
        }

        let txn = store.db().begin().await?;
        // A relay that is stopped while it holds the head must not hold up the others for as long as it sleeps.
        // A statement of its own: the next one must see what a competing relay committed while this one waited.
        txn.execute_raw(raw_sql!(
            Postgres,
            "SELECT set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true)
               FROM publication_head WHERE partition = {partition} FOR UPDATE"
        ))
        .await?;
        let moved = txn
            .execute_raw(raw_sql!(
                Postgres,
                "WITH taken AS (
                   DELETE FROM outbox WHERE partition = {partition} AND position IN (
                     SELECT position FROM outbox WHERE partition = {partition} ORDER BY position LIMIT {batch})
                   RETURNING position
                 ), numbered AS (
                   INSERT INTO publication (partition, sequence, position)
                     SELECT head.partition, head.sequence + row_number() OVER (ORDER BY taken.position), taken.position
                       FROM taken, publication_head head WHERE head.partition = {partition}
                   RETURNING sequence
                 )
                 UPDATE publication_head SET sequence = sequence + (SELECT count(*) FROM numbered)
                   WHERE partition = {partition} AND EXISTS (SELECT FROM numbered)"
            ))
            .await?;
        txn.commit().await?;
        if moved.rows_affected() == 0 {
            return Ok(());
        }
        counter!("events_sequenced_batches_total").increment(1);
    }
}

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

/// Publishes how much waits in the outbox, and how long the oldest has waited.
pub(super) async fn observe(store: &EventStore) -> Result<(), DbErr> {
    let outbox = Outbox::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS depth,
                coalesce(extract(epoch FROM now() - min(e.occurred_at)), 0)::float8 AS oldest_seconds
           FROM outbox o JOIN event e ON e.position = o.position"
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
