//! The members of consumer groups as Redis knows them. Names that nobody uses any more can be removed, pending entries cannot.

use fred::interfaces::LuaInterface;
use serde::Serialize;
use serde_json::json;

use super::{
    CommandError, Done, Order, Site, actions,
    reply::{Fields, command, is_missing, number, text},
    streams,
};
use crate::redis::once;

const REAP: &str = include_str!("reap.lua");

/// One member of a group on one of a producer's streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consumer {
    /// The stream.
    pub key: String,
    /// The group.
    pub group: String,
    /// Its name; the present owner of a partition is called `owner`.
    pub name: String,
    /// Delivered to it and not acknowledged.
    pub pending: u64,
    /// Milliseconds since it was last handed something. Redis 7.0 does not count empty reads.
    pub idle_ms: u64,
}

/// The members of all groups on a producer's streams.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn list(site: &Site) -> Result<Vec<Consumer>, CommandError> {
    let mut consumers = Vec::new();
    for stream in streams::list(site).await? {
        for group in &stream.groups {
            let words = ["CONSUMERS", &stream.key, &group.group];
            let members: Vec<Fields> =
                match command(&site.redis, &stream.key, "XINFO", &words).await {
                    Ok(members) => members,
                    // Gone since it was listed.
                    Err(error) if is_missing(&error) => continue,
                    Err(error) => return Err(error.into()),
                };
            consumers.extend(members.iter().map(|fields| Consumer {
                key: stream.key.clone(),
                group: group.group.clone(),
                name: text(fields, "name"),
                pending: number(fields, "pending").unwrap_or(0),
                idle_ms: number(fields, "idle").unwrap_or(0),
            }));
        }
    }
    Ok(consumers)
}

/// What became of members that were to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reaped {
    /// What was removed, or would be.
    #[serde(flatten)]
    pub done: Done<Consumer>,
    /// Idle members that stay because entries are pending for them.
    pub kept: Vec<Consumer>,
}

/// Removes members that were handed nothing for `idle_ms`, unless entries are pending for them.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails.
pub async fn reap(
    site: &Site,
    order: &Order,
    group: Option<&str>,
    idle_ms: u64,
) -> Result<Reaped, CommandError> {
    let mut idle = list(site).await?;
    idle.retain(|member| {
        member.idle_ms >= idle_ms && group.is_none_or(|group| member.group == group)
    });
    let (mut kept, chosen): (Vec<_>, Vec<_>) =
        idle.into_iter().partition(|member| member.pending > 0);
    if order.dry_run || chosen.is_empty() {
        return Ok(Reaped { done: Done::new(order, chosen), kept });
    }
    actions::record(&site.db, order, "consumers reap", json!({ "consumers": chosen })).await?;
    let mut removed = Vec::new();
    for mut member in chosen {
        let arguments = vec![member.group.clone(), member.name.clone()];
        let outcome: i64 = once(&site.redis).eval(REAP, member.key.clone(), arguments).await?;
        if outcome < 0 {
            member.pending = outcome.unsigned_abs();
            kept.push(member);
        } else {
            removed.push(member);
        }
    }
    Ok(Reaped { done: Done::new(order, removed), kept })
}
