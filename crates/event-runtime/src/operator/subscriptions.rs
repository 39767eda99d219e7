//! The producer's registry: which groups must have read an event before it may leave the stream.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::json;

use super::{CommandError, Done, Order, Site, actions};

/// One group on one partition of the producer's stream, as the producer knows it.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Registration {
    /// Such as `engagement.profile`.
    pub consumer_group: String,
    /// From 0.
    pub partition: i16,
    /// `active`, `paused` or `retired`; only a retired group does not hold up trimming.
    pub state: String,
    /// How far the group has come for good, as it reported last.
    pub sequence: i64,
    /// The generation in which it counts.
    pub epoch: i32,
    /// When it was registered.
    pub registered_at: DateTime<Utc>,
    /// When it reported last.
    pub reported_at: DateTime<Utc>,
}

/// All registrations with a producer.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site) -> Result<Vec<Registration>, DbErr> {
    Registration::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, partition, state, sequence, epoch, registered_at, reported_at
           FROM subscription ORDER BY consumer_group, partition"
    ))
    .all(&site.db)
    .await
}

#[derive(FromQueryResult)]
struct Changed {
    partition: i16,
}

/// Registers a group with the producer, or brings a retired one back: from now on nothing leaves the producer's streams that
/// the group has not read. Returns the partitions in which that was not so already.
///
/// # Errors
///
/// [`CommandError`] if the database fails.
pub async fn register(site: &Site, order: &Order, group: &str) -> Result<Done<i16>, CommandError> {
    let txn = site.db.begin().await?;
    let missing = Changed::find_by_statement(raw_sql!(
        Postgres,
        "SELECT h.partition FROM publication_head h LEFT JOIN subscription s
             ON s.partition = h.partition AND s.consumer_group = {group}
           WHERE s.partition IS NULL OR s.state = 'retired' ORDER BY h.partition"
    ))
    .all(&txn)
    .await?;
    let partitions: Vec<i16> = missing.into_iter().map(|row| row.partition).collect();
    if order.dry_run || partitions.is_empty() {
        return Ok(Done::new(order, partitions));
    }
    actions::record(
        &txn,
        order,
        "groups register",
        json!({ "group": group, "partitions": partitions }),
    )
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO subscription (consumer_group, partition, epoch)
           SELECT {group}, partition, coalesce((SELECT max(epoch) FROM stream_epoch), 1) FROM publication_head
           ON CONFLICT ON CONSTRAINT subscription_pkey DO UPDATE SET state = 'active', reported_at = now()
             WHERE subscription.state = 'retired'"
    ))
    .await?;
    txn.commit().await?;
    Ok(Done::new(order, partitions))
}

/// Retires a group: the producer no longer waits for it before it trims.
///
/// # Errors
///
/// [`CommandError::Refused`] for a group that was never registered.
pub async fn retire(site: &Site, order: &Order, group: &str) -> Result<Done<i16>, CommandError> {
    change_state(site, order, "groups retire", group, "retired").await
}

/// Marks a group as paused or active for whoever looks at the producer; a retired group stays retired. Does nothing for a
/// group that is not registered.
///
/// # Errors
///
/// [`CommandError`] if the database fails.
pub async fn mark(
    site: &Site,
    order: &Order,
    group: &str,
    is_paused: bool,
) -> Result<Done<i16>, CommandError> {
    let registered = list(site).await?;
    let is_here =
        registered.iter().any(|row| row.consumer_group == group && row.state != "retired");
    if !is_here {
        return Ok(Done::new(order, Vec::new()));
    }
    let (command, state) =
        if is_paused { ("groups pause", "paused") } else { ("groups resume", "active") };
    change_state(site, order, command, group, state).await
}

async fn change_state(
    site: &Site,
    order: &Order,
    command: &str,
    group: &str,
    state: &str,
) -> Result<Done<i16>, CommandError> {
    let registered = list(site).await?;
    let mut here = registered.iter().filter(|row| row.consumer_group == group).peekable();
    if here.peek().is_none() {
        return Err(CommandError::refused(
            format!("no group `{group}` is registered with {}", site.service),
            "`groups ls` lists the registered ones",
        ));
    }
    let partitions: Vec<i16> =
        here.filter(|row| row.state != state).map(|row| row.partition).collect();
    if order.dry_run || partitions.is_empty() {
        return Ok(Done::new(order, partitions));
    }
    let txn = site.db.begin().await?;
    actions::record(&txn, order, command, json!({ "group": group, "partitions": partitions }))
        .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE subscription SET state = {state} WHERE consumer_group = {group} AND state <> {state}"
    ))
    .await?;
    txn.commit().await?;
    Ok(Done::new(order, partitions))
}
