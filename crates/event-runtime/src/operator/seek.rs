//! Moving a group to another place of what it reads.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{CommandError, Done, Order, Site, actions, groups, groups::Group, streams::heads};

/// Where a group is to go on.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// As if everything up to this sequence number had taken effect; 0 is the beginning.
    Sequence(i64),
    /// As if everything recorded before this moment had taken effect.
    Time(DateTime<Utc>),
}

/// One partition that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// From 0.
    pub partition: i16,
    /// The watermark before.
    pub from: i64,
    /// The watermark after.
    pub to: i64,
    /// Parked events beyond the new watermark, which are forgotten because they will come again.
    pub parked_forgotten: i64,
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

/// Puts a paused group's watermarks on one producer's partitions somewhere else. Forward skips events for good; backward lets
/// the events in between take effect again, which only effects that are idempotent survive.
///
/// `partition` limits it to one. The producer is needed for its heads, and to learn that it must not trim what will be read again.
///
/// # Errors
///
/// [`CommandError::Refused`] unless the group is paused and nobody works for it any more, without a reason, and for a place
/// beyond the producer's head or before the first entry that is left in its stream.
pub async fn seek(
    site: &Site,
    producer: &Site,
    order: &Order,
    group: &str,
    partition: Option<i16>,
    target: Target,
) -> Result<Done<Move>, CommandError> {
    let mut rows = groups::of(site, group).await?;
    rows.retain(|row| {
        row.service == producer.service.as_str()
            && partition.is_none_or(|partition| row.partition == partition)
    });
    if rows.is_empty() {
        return Err(CommandError::refused(
            format!("{group} reads no such partition of {}", producer.service),
            "`groups ls` shows what it reads",
        ));
    }
    check_stopped(site, group, &rows).await?;
    if order.reason.is_none() && !order.dry_run {
        return Err(CommandError::refused(
            "a seek repeats or skips effects",
            "say why with `--reason`",
        ));
    }
    let mut moves = Vec::new();
    for row in &rows {
        let to = place(producer, row, target).await?;
        if to != row.sequence {
            let parked_forgotten = parked_beyond(site, row, to).await?;
            let (partition, from) = (row.partition, row.sequence);
            moves.push(Move { partition, from, to, parked_forgotten });
        }
    }
    if order.dry_run || moves.is_empty() {
        return Ok(Done::new(order, moves));
    }
    // The producer first: once it knows, nothing is trimmed that the group is about to read again.
    lower_registration(producer, order, group, &moves).await?;
    move_watermarks(site, producer, order, group, &moves).await?;
    Ok(Done::new(order, moves))
}

async fn check_stopped(site: &Site, group: &str, rows: &[Group]) -> Result<(), CommandError> {
    if rows.iter().any(|row| !row.is_paused) {
        return Err(CommandError::refused(
            format!("{group} is not paused"),
            format!("`groups pause {group}` first"),
        ));
    }
    let owner = match rows.iter().find_map(|row| row.owner) {
        Some(owner) => Some(owner),
        None => reader(site, group).await?,
    };
    if let Some(owner) = owner {
        return Err(CommandError::refused(
            format!("process {owner} still works for {group}"),
            "it stops within a few seconds: try again",
        ));
    }
    Ok(())
}

/// A process that reads for a group without owners.
async fn reader(site: &Site, group: &str) -> Result<Option<Uuid>, DbErr> {
    #[derive(FromQueryResult)]
    struct Slot {
        owner: Uuid,
    }
    let slot = Slot::find_by_statement(raw_sql!(
        Postgres,
        "SELECT owner FROM slot WHERE consumer_group = {group} AND expires_at > now() LIMIT 1"
    ))
    .one(&site.db)
    .await?;
    Ok(slot.map(|slot| slot.owner))
}

async fn place(producer: &Site, row: &Group, target: Target) -> Result<i64, CommandError> {
    let partition = row.partition;
    let head = heads(producer).await?.into_iter().find(|head| head.partition == partition);
    let head = head.map_or(0, |head| head.sequence);
    let to = match target {
        Target::Sequence(sequence) => sequence,
        Target::Time(time) => before(producer, partition, time).await?,
    };
    if to > head || to < 0 {
        return Err(CommandError::refused(
            format!("{} partition {partition} ends at {head}, not at {to}", producer.service),
            "`streams ls` shows where streams end",
        ));
    }
    Ok(to)
}

/// The last sequence number before the first event that was recorded at or after a moment.
async fn before(producer: &Site, partition: i16, time: DateTime<Utc>) -> Result<i64, DbErr> {
    let row = Number::find_by_statement(raw_sql!(
        Postgres,
        "SELECT coalesce(min(p.sequence) - 1, (SELECT sequence FROM publication_head WHERE partition = {partition}), 0)
                AS number
           FROM publication p JOIN event e USING (position)
           WHERE p.partition = {partition} AND e.occurred_at >= {time}"
    ))
    .one(&producer.db)
    .await?;
    Ok(row.map_or(0, |row| row.number))
}

async fn parked_beyond(site: &Site, row: &Group, to: i64) -> Result<i64, DbErr> {
    let (group, service, partition) =
        (row.consumer_group.as_str(), row.service.as_str(), row.partition);
    let row = Number::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS number FROM parked_event
           WHERE consumer_group = {group} AND service = {service} AND partition = {partition} AND sequence > {to}"
    ))
    .one(&site.db)
    .await?;
    Ok(row.map_or(0, |row| row.number))
}

async fn lower_registration(
    producer: &Site,
    order: &Order,
    group: &str,
    moves: &[Move],
) -> Result<(), CommandError> {
    let txn = producer.db.begin().await?;
    let mut is_recorded = false;
    for Move { partition, to, .. } in moves {
        let lowered = txn
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE subscription SET sequence = {to}, reported_at = now()
                   WHERE consumer_group = {group} AND partition = {partition} AND sequence > {to}"
            ))
            .await?;
        if lowered.rows_affected() > 0 && !is_recorded {
            let arguments = json!({ "group": group, "moves": moves });
            actions::record(&txn, order, "groups seek", arguments).await?;
            is_recorded = true;
        }
    }
    txn.commit().await?;
    Ok(())
}

async fn move_watermarks(
    site: &Site,
    producer: &Site,
    order: &Order,
    group: &str,
    moves: &[Move],
) -> Result<(), CommandError> {
    let service = producer.service.as_str();
    let txn = site.db.begin().await?;
    let arguments = json!({ "group": group, "service": service, "moves": moves });
    actions::record(&txn, order, "groups seek", arguments).await?;
    for Move { partition, from, to, .. } in moves {
        // The state that was checked is the state that is changed: somebody may have resumed the group meanwhile.
        let updated = txn
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE watermark SET sequence = {to}, moved_at = now()
                   WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                     AND is_paused AND sequence = {from}"
            ))
            .await?;
        if updated.rows_affected() == 0 {
            return Err(CommandError::refused(
                format!("{group} moved or was resumed meanwhile"),
                "look again with `groups ls`",
            ));
        }
        // What is beyond the watermark comes again, and must find neither a trace of its effect nor a row of its own.
        txn.execute_raw(raw_sql!(
            Postgres,
            "WITH inbox AS (DELETE FROM inbox WHERE consumer_group = {group} AND service = {service}
                              AND partition = {partition}),
                  attempt AS (DELETE FROM attempt WHERE consumer_group = {group} AND service = {service}
                              AND partition = {partition} AND sequence > {to}),
                  skipped AS (DELETE FROM skipped_event WHERE consumer_group = {group} AND service = {service}
                              AND partition = {partition} AND sequence > {to})
             DELETE FROM parked_event WHERE consumer_group = {group} AND service = {service}
               AND partition = {partition} AND sequence > {to}"
        ))
        .await?;
    }
    txn.commit().await?;
    Ok(())
}
