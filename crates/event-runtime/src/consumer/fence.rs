//! The statements that tie effects to an owner: the watermark, the inbox, and the epoch in whose name they are written.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};

use crate::{
    lease::{IDLE_TIMEOUT, Subscription},
    store::{to_bigint, to_smallint},
};

#[derive(FromQueryResult)]
struct Noted {
    is_mine: bool,
    /// Comma-separated.
    noted: String,
}

#[derive(FromQueryResult)]
struct InboxRow {
    sequence: i64,
}

#[derive(FromQueryResult)]
struct WatermarkRow {
    sequence: i64,
}

/// Moves the watermark from where this owner left it, under this owner's epoch; `false` if it may not. If the process is
/// stopped after this, the database ends the transaction in time for the next owner.
pub(super) async fn move_watermark(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    epoch: i64,
    from: u64,
    to: u64,
) -> Result<bool, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let (from, to) = (to_bigint(from), to_bigint(to));
    let moved = connection
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE watermark SET sequence = {to}, moved_at = now(), takeovers = 0
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence = {from} AND epoch = {epoch}
               RETURNING set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true)"
        ))
        .await?;
    Ok(moved.rows_affected() == 1)
}

/// Writes numbers into the inbox under this owner's epoch, and keeps others from becoming the owner until the transaction
/// ends. Returns those that were not there yet; `None` if this is not the owner.
pub(super) async fn note(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    epoch: i64,
    sequences: &[u64],
) -> Result<Option<Vec<u64>>, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let numbers = list(sequences);
    // For share of the key: lanes do not wait for each other, nor for the watermark to move, but a new owner waits for them.
    let noted = Noted::find_by_statement(raw_sql!(
        Postgres,
        "WITH mine AS (
           SELECT epoch FROM watermark
             WHERE consumer_group = {group} AND service = {service} AND partition = {partition} AND epoch = {epoch}
             FOR KEY SHARE
         ), noted AS (
           INSERT INTO inbox (consumer_group, service, partition, sequence)
             SELECT {group}, {service}, {partition}, number::bigint
               FROM mine, string_to_table({numbers}, ',') AS number
             ON CONFLICT ON CONSTRAINT inbox_pkey DO NOTHING
             RETURNING sequence)
         SELECT EXISTS (SELECT FROM mine) AS is_mine,
                coalesce((SELECT string_agg(sequence::text, ',') FROM noted), '') AS noted,
                set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true) AS timeout"
    ))
    .one(connection)
    .await?;
    let Some(Noted { is_mine: true, noted }) = noted else { return Ok(None) };
    Ok(Some(noted.split(',').filter_map(|number| number.parse().ok()).collect()))
}

/// Moves the watermark over what is in the inbox, and empties the inbox up to there; `false` if this is not the owner, or
/// believes of an event that it took effect which the database does not know.
pub(super) async fn compact(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    epoch: i64,
    (from, to): (u64, u64),
    passed: u64,
) -> Result<bool, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let (from, to, passed) = (to_bigint(from), to_bigint(to), to_bigint(passed));
    let moved = connection
        .query_one_raw(raw_sql!(
            Postgres,
            "WITH moved AS (
               UPDATE watermark SET sequence = {to}, moved_at = now(), takeovers = 0
                 WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                   AND sequence = {from} AND epoch = {epoch}
                   AND {to} - {from} - {passed} = (SELECT count(*) FROM inbox i
                         WHERE i.consumer_group = {group} AND i.service = {service} AND i.partition = {partition}
                           AND i.sequence > {from} AND i.sequence <= {to})
                 RETURNING sequence
             ), emptied AS (
               DELETE FROM inbox WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence <= (SELECT sequence FROM moved))
             SELECT sequence FROM moved"
        ))
        .await?;
    Ok(moved.is_some())
}

/// Writes numbers into the inbox in nobody's name: whoever does it first applies them. Returns those that took effect
/// neither before nor beside this; `None` if the group has gone on to another generation of the stream.
pub(super) async fn note_shared(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    stream_epoch: i64,
    sequences: &[u64],
) -> Result<Option<Vec<u64>>, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let numbers = list(sequences);
    // Waits for a transaction that has one of them in hand.
    let noted = InboxRow::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO inbox (consumer_group, service, partition, sequence)
           SELECT {group}, {service}, {partition}, number::bigint FROM string_to_table({numbers}, ',') AS number
           ON CONFLICT ON CONSTRAINT inbox_pkey DO NOTHING
           RETURNING sequence"
    ))
    .all(connection)
    .await?;
    // After it and not with it: a number whose row has been compacted away could be written again, and then the watermark
    // that went over it is there to be seen. For share of the key, so that a rebuild waits for this transaction.
    let watermark = WatermarkRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT sequence, set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true) AS timeout
           FROM watermark
           WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
             AND stream_epoch = {stream_epoch} FOR KEY SHARE"
    ))
    .one(connection)
    .await?;
    let Some(watermark) = watermark else { return Ok(None) };
    let new = noted.into_iter().filter(|row| row.sequence > watermark.sequence);
    Ok(Some(new.filter_map(|row| u64::try_from(row.sequence).ok()).collect()))
}

/// Moves the watermark over what is in the inbox without a hole, and empties the inbox up to there, unless somebody else is
/// doing it. Also when the watermark stays: what is delivered again below it is written once more. Returns where the
/// watermark is.
pub(super) async fn compact_shared(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
) -> Result<Option<u64>, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let moved = WatermarkRow::find_by_statement(raw_sql!(
        Postgres,
        "WITH place AS (
           SELECT sequence FROM watermark
             WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
             FOR NO KEY UPDATE SKIP LOCKED
         ), run AS (
           SELECT i.sequence, i.sequence - row_number() OVER (ORDER BY i.sequence) AS base
             FROM inbox i, place
             WHERE i.consumer_group = {group} AND i.service = {service} AND i.partition = {partition}
               AND i.sequence > place.sequence
             ORDER BY i.sequence LIMIT 10000
         ), reached AS (
           SELECT max(run.sequence) AS sequence FROM run, place WHERE run.base = place.sequence
         ), moved AS (
           UPDATE watermark w SET sequence = reached.sequence, moved_at = now(), takeovers = 0 FROM reached
             WHERE w.consumer_group = {group} AND w.service = {service} AND w.partition = {partition}
               AND reached.sequence IS NOT NULL
             RETURNING w.sequence
         ), place_now AS (
           SELECT coalesce(moved.sequence, place.sequence) AS sequence FROM place LEFT JOIN moved ON true
         ), emptied AS (
           DELETE FROM inbox WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
             AND sequence <= (SELECT sequence FROM place_now))
         SELECT sequence FROM place_now"
    ))
    .one(connection)
    .await?;
    Ok(moved.and_then(|row| u64::try_from(row.sequence).ok()))
}

fn list(sequences: &[u64]) -> String {
    let mut list = String::with_capacity(sequences.len() * 8);
    for sequence in sequences {
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&to_bigint(*sequence).to_string());
    }
    list
}
