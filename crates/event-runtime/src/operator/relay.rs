//! The relay of a service: how far it has published, stopping it, and having it write a stream anew.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::json;

use super::{CommandError, Done, Order, Site, actions, reply::command, streams};

/// How far the relay of a service has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relay {
    /// Why an operator stopped it, and since when.
    pub pause: Option<Pause>,
    /// Committed events without a sequence number.
    pub outbox: i64,
    /// The age of the oldest of them in seconds.
    pub outbox_seconds: i64,
    /// By partition.
    pub partitions: Vec<Published>,
}

/// An operator's stop.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// Since when.
    pub paused_at: DateTime<Utc>,
}

/// How much of one partition is in its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The stream.
    pub key: String,
    /// From 0.
    pub partition: i16,
    /// The last sequence number that the store has given.
    pub head: i64,
    /// The last one in the stream.
    pub last: i64,
    /// The difference; below 0 when the store was restored to the past.
    pub behind: i64,
}

#[derive(FromQueryResult)]
struct Outbox {
    depth: i64,
    seconds: Option<i64>,
}

/// Looks at the relay of a service.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn status(site: &Site) -> Result<Relay, CommandError> {
    let outbox = Outbox::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS depth,
                extract(epoch FROM now() - min(e.occurred_at))::bigint AS seconds
           FROM outbox o JOIN event e USING (position)"
    ))
    .one(&site.db)
    .await?;
    let published = |stream: streams::Stream| {
        let last = i64::try_from(stream.last).unwrap_or(i64::MAX);
        let behind = stream.head.saturating_sub(last);
        Published { key: stream.key, partition: stream.partition, head: stream.head, last, behind }
    };
    Ok(Relay {
        pause: paused(&site.db).await?,
        outbox: outbox.as_ref().map_or(0, |outbox| outbox.depth),
        outbox_seconds: outbox.and_then(|outbox| outbox.seconds).unwrap_or(0).max(0),
        partitions: streams::list(site).await?.into_iter().map(published).collect(),
    })
}

async fn paused(connection: &impl ConnectionTrait) -> Result<Option<Pause>, DbErr> {
    Pause::find_by_statement(raw_sql!(Postgres, "SELECT reason, paused_at FROM relay_pause"))
        .one(connection)
        .await
}

/// Stops publishing. Commands go on; their events wait in the outbox.
///
/// # Errors
///
/// [`CommandError::Refused`] without a reason.
pub async fn pause(site: &Site, order: &Order) -> Result<Done<Pause>, CommandError> {
    if paused(&site.db).await?.is_some() {
        return Ok(Done::new(order, Vec::new()));
    }
    let Some(reason) = order.reason.clone() else {
        return Err(CommandError::refused(
            "while a relay is paused nobody hears of anything",
            "say why with `--reason`",
        ));
    };
    let txn = site.db.begin().await?;
    if !order.dry_run {
        actions::record(&txn, order, "relay pause", json!({})).await?;
    }
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO relay_pause (reason) VALUES ({reason}) ON CONFLICT DO NOTHING"
    ))
    .await?;
    let pause = paused(&txn).await?;
    finish(txn, order).await?;
    Ok(Done::new(order, pause.into_iter().collect()))
}

/// Lets a relay that an operator stopped publish again.
///
/// # Errors
///
/// [`CommandError`] if the database fails.
pub async fn resume(site: &Site, order: &Order) -> Result<Done<Pause>, CommandError> {
    let Some(pause) = paused(&site.db).await? else { return Ok(Done::new(order, Vec::new())) };
    let txn = site.db.begin().await?;
    actions::record(&txn, order, "relay resume", json!({ "was_paused_for": pause.reason })).await?;
    txn.execute_raw(raw_sql!(Postgres, "DELETE FROM relay_pause")).await?;
    finish(txn, order).await?;
    Ok(Done::new(order, vec![pause]))
}

async fn finish(txn: sea_orm::DatabaseTransaction, order: &Order) -> Result<(), DbErr> {
    if order.dry_run { txn.rollback().await } else { txn.commit().await }
}

/// Deletes the stream of one partition, which the relay then writes anew from the store; groups are made again at their
/// watermarks. For a stream whose content is damaged.
///
/// # Errors
///
/// [`CommandError::Refused`] without a reason, while the relay is paused, and when the store has less than the stream.
pub async fn rebuild(
    site: &Site,
    order: &Order,
    partition: i16,
) -> Result<Done<Published>, CommandError> {
    let relay = status(site).await?;
    let Some(published) = relay.partitions.iter().find(|found| found.partition == partition) else {
        return Err(CommandError::refused(
            format!("{} has no partition {partition}", site.service),
            "`streams ls` lists them",
        ));
    };
    if let Some(pause) = &relay.pause {
        return Err(CommandError::refused(
            format!("the relay is paused ({}) and would not write it anew", pause.reason),
            "`relay resume` first",
        ));
    }
    if published.behind < 0 {
        return Err(CommandError::refused(
            format!(
                "the store ends at {} and the stream at {}: the store was restored to the past",
                published.head, published.last
            ),
            "`epoch bump` begins a new generation from what the store has",
        ));
    }
    if order.dry_run {
        return Ok(Done::new(order, vec![published.clone()]));
    }
    if order.reason.is_none() {
        return Err(CommandError::refused(
            "readers of the stream begin it again at their watermarks",
            "say why with `--reason`",
        ));
    }
    let key = published.key.as_str();
    let arguments = json!({ "partition": partition, "key": key, "last": published.last });
    actions::record(&site.db, order, "relay rebuild", arguments).await?;
    let _deleted: u64 = command(&site.redis, key, "UNLINK", &[key]).await?;
    Ok(Done::new(order, vec![published.clone()]))
}
