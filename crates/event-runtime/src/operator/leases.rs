//! Who works on which partition, and taking it away from a process that hangs.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{CommandError, Done, Order, Site, actions};

/// The lease of one group on one partition.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Lease {
    /// Such as `engagement.profile`.
    pub consumer_group: String,
    /// Whose events.
    pub service: String,
    /// From 0.
    pub partition: i16,
    /// The process that has it, or had it last.
    pub owner: Uuid,
    /// How often it has changed hands.
    pub epoch: i64,
    /// Whether it still counts, by the database's clock.
    pub is_live: bool,
    /// Until when; absent when it was given back.
    pub expires_at: Option<DateTime<Utc>>,
}

/// All leases of a service's groups.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site) -> Result<Vec<Lease>, DbErr> {
    Lease::find_by_statement(raw_sql!(
        Postgres,
        "SELECT consumer_group, service, partition, owner, epoch, expires_at > now() AS is_live,
                nullif(expires_at, '-infinity') AS expires_at
           FROM lease ORDER BY consumer_group, service, partition"
    ))
    .all(&site.db)
    .await
}

/// Ends the leases of a group on a producer's partitions, or on one of them: its owner notices within a second, and whoever is
/// there first takes it, be it the same process. Nothing is lost or repeated, because a batch of the former owner changes
/// nothing once another one has begun.
///
/// # Errors
///
/// [`CommandError::Refused`] when there is no such lease, or no reason is given.
pub async fn steal(
    site: &Site,
    order: &Order,
    group: &str,
    service: Option<&str>,
    partition: Option<i16>,
) -> Result<Done<Lease>, CommandError> {
    let mut leases = list(site).await?;
    leases.retain(|lease| {
        lease.consumer_group == group
            && service.is_none_or(|service| lease.service == service)
            && partition.is_none_or(|partition| lease.partition == partition)
    });
    if leases.is_empty() {
        return Err(CommandError::refused(
            format!("{} has no such lease of `{group}`", site.service),
            "`lease ls` lists them",
        ));
    }
    leases.retain(|lease| lease.is_live);
    if order.dry_run || leases.is_empty() {
        return Ok(Done::new(order, leases));
    }
    if order.reason.is_none() {
        return Err(CommandError::refused(
            "a lease is taken from a process that works",
            "say why with `--reason`",
        ));
    }
    let txn = site.db.begin().await?;
    actions::record(&txn, order, "lease steal", json!({ "leases": leases })).await?;
    for Lease { service, partition, epoch, .. } in &leases {
        // Only the lease that was seen: a newer one may be the remedy already.
        txn.execute_raw(raw_sql!(
            Postgres,
            "UPDATE lease SET expires_at = '-infinity'
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition} AND epoch = {epoch}"
        ))
        .await?;
    }
    txn.commit().await?;
    Ok(Done::new(order, leases))
}
