//! Attempts at events that are suspected of ending the process: written and committed before the handler runs.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};

use crate::{
    lease::Subscription,
    store::{to_bigint, to_smallint},
};

/// So often an event may be tried whose attempts end without a word.
pub(super) const MOST: i32 = 5;

#[derive(FromQueryResult)]
struct Row {
    attempts: i32,
}

/// Counts an attempt, from 1, before it is made.
pub(super) async fn begin(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    sequence: u64,
) -> Result<i32, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let sequence = to_bigint(sequence);
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO attempt (consumer_group, service, partition, sequence)
           VALUES ({group}, {service}, {partition}, {sequence})
           ON CONFLICT ON CONSTRAINT attempt_pkey
             DO UPDATE SET attempts = attempt.attempts + 1, last_at = now()
           RETURNING attempts"
    ))
    .one(connection)
    .await?;
    Ok(row.map_or(0, |row| row.attempts))
}

/// Forgets the attempts at an event, in the transaction that applies or parks it.
pub(super) async fn end(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    sequence: u64,
) -> Result<(), DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let sequence = to_bigint(sequence);
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "DELETE FROM attempt WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND sequence = {sequence}"
        ))
        .await?;
    Ok(())
}
