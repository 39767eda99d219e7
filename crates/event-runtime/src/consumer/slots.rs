//! Slots: the names under which readers of a shared group read. They are leased, so that none is used twice and none piles up.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use uuid::Uuid;

use crate::{
    lease::{Ownership, Subscription},
    store::{to_bigint, to_smallint},
};

/// How long a slot outlives its last renewal, in seconds.
const TTL_SECONDS: i32 = 3;

/// More readers of one partition than this do not exist: their names are `w-0` to `w-1023`.
const NAMES: i32 = 1_024;

#[derive(FromQueryResult)]
struct Slot {
    number: i16,
}

#[derive(FromQueryResult)]
struct Place {
    sequence: i64,
    epoch: i64,
    stream_epoch: i32,
    is_paused: bool,
    ahead: i64,
}

/// Renews the slots that this process has in a partition, and takes the lowest free ones until it has `count`. Two processes
/// that take at the same time may get fewer.
pub(super) async fn hold(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    owner: Uuid,
    count: u16,
) -> Result<Vec<i16>, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let count = i64::from(count);
    let slots = Slot::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO slot (consumer_group, service, partition, number, owner, expires_at)
           SELECT {group}, {service}, {partition}, n, {owner}, now() + make_interval(secs => {TTL_SECONDS})
             FROM generate_series(0, {NAMES} - 1) AS n
             LEFT JOIN slot s ON s.consumer_group = {group} AND s.service = {service} AND s.partition = {partition}
               AND s.number = n
             WHERE s.owner IS NULL OR s.owner = {owner} OR s.expires_at < now()
             ORDER BY coalesce(s.owner = {owner}, false) DESC, n LIMIT {count}
           ON CONFLICT ON CONSTRAINT slot_pkey DO UPDATE
             SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at
             WHERE slot.owner = EXCLUDED.owner OR slot.expires_at < now()
           RETURNING number"
    ))
    .all(connection)
    .await?;
    let mut numbers: Vec<i16> = slots.into_iter().map(|slot| slot.number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Gives the slots of this process back.
pub(super) async fn release(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    owner: Uuid,
) -> Result<(), DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "DELETE FROM slot WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND owner = {owner}"
        ))
        .await?;
    Ok(())
}

/// Where a partition stands; `None` while an operator has paused the group.
pub(super) async fn enter(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
) -> Result<Option<Ownership>, DbErr> {
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO watermark (consumer_group, service, partition)
               VALUES ({group}, {service}, {partition}) ON CONFLICT DO NOTHING"
        ))
        .await?;
    let place = Place::find_by_statement(raw_sql!(
        Postgres,
        "SELECT sequence, epoch, stream_epoch, is_paused,
                coalesce((SELECT max(i.sequence) FROM inbox i WHERE i.consumer_group = {group}
                            AND i.service = {service} AND i.partition = {partition}), 0) AS ahead
           FROM watermark WHERE consumer_group = {group} AND service = {service} AND partition = {partition}"
    ))
    .one(connection)
    .await?;
    let unsigned = |number| u64::try_from(number).unwrap_or(0);
    Ok(place.filter(|place| !place.is_paused).map(|place| Ownership {
        epoch: place.epoch,
        watermark: unsigned(place.sequence),
        stream_epoch: u32::try_from(place.stream_epoch).unwrap_or(0),
        // What is furthest ahead says enough to those who only ask for the place.
        inbox: vec![unsigned(place.ahead)],
        orphaned: 0,
        attempted: 0,
    }))
}

/// Which of these are not in the inbox.
pub(super) async fn missing(
    connection: &impl ConnectionTrait,
    Subscription { group, key }: Subscription,
    after: u64,
    up_to: u64,
) -> Result<Vec<u64>, DbErr> {
    #[derive(FromQueryResult)]
    struct Missing {
        sequence: i64,
    }
    let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
    let (after, up_to) = (to_bigint(after), to_bigint(up_to));
    let missing = Missing::find_by_statement(raw_sql!(
        Postgres,
        "SELECT n AS sequence FROM generate_series({after} + 1, {up_to}) AS n
           WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.consumer_group = {group} AND i.service = {service}
                   AND i.partition = {partition} AND i.sequence = n)"
    ))
    .all(connection)
    .await?;
    Ok(missing.into_iter().filter_map(|row| u64::try_from(row.sequence).ok()).collect())
}
