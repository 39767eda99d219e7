//! Trimming: streams hold what somebody still has to read, and the last entries beside that. The store holds the rest.
//!
//! An entry goes when every registered group has made it durable, no group in Redis has it pending or ahead of it, and enough
//! newer ones are left. A group that is registered and that Redis does not have stops it: nobody knows what it has been
//! handed. Only an operator can say that such a group is gone for good, by retiring it.
//!
//! Every relay process of a service trims; they do no harm to each other.

mod measure;
mod required;
mod script;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fred::clients::Client;
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use self::required::Registered;
pub use self::{
    measure::{Extent, extent},
    script::{Plan, Trimmed, execute},
};
use crate::{
    EventStore, RuntimeError, control,
    error::chain,
    redis::{backoff, close, recover},
    relay::Pressure,
    stream::StreamKey,
};

/// Entries that go in one step. Redis serves nobody else meanwhile; at this size it is about a millisecond.
const SLICE: u64 = 10_000;

/// Steps per round and stream; the rest goes in the next round.
const STEPS: u32 = 100;

/// How often streams are looked after while Redis runs out of memory.
const URGENT: Duration = Duration::from_secs(1);

/// How streams are kept short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many of the last entries of each partition stay although everybody has read them, so that a reader that comes later
    /// need not ask the producer for them. 0 and up; given up while Redis runs out of memory.
    pub entries: u64,
    /// How often it is looked after.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { entries: 10_000, every: Duration::from_secs(10) }
    }
}

/// Why a stream is not trimmed further. The words are labels of `events_trim_blocked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blocked {
    /// A registered group does not exist in Redis.
    Missing,
    /// A group that has not reported for a minute has not finished what else could go.
    Silent,
    /// A group that nobody registered has not been handed, or has not acknowledged, what else could go.
    Unknown,
}

impl Blocked {
    const ALL: [Self; 3] = [Self::Missing, Self::Silent, Self::Unknown];

    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "group_missing",
            Self::Silent => "group_silent",
            Self::Unknown => "group_unknown",
        }
    }
}

/// Measures the streams of one service and keeps them short.
pub(crate) struct Trimmer {
    store: EventStore,
    redis: Client,
    /// `None`: streams are measured and keep everything.
    retention: Option<Retention>,
    pressure: Arc<Pressure>,
    /// What was said to stand in the way, so that it is said once.
    known: BTreeMap<StreamKey, BTreeSet<(Blocked, String)>>,
}

impl Trimmer {
    /// A trimmer over its own Redis client.
    pub(crate) fn new(
        store: EventStore,
        redis: Client,
        retention: Option<Retention>,
        pressure: Arc<Pressure>,
    ) -> Self {
        Self { store, redis, retention, pressure, known: BTreeMap::new() }
    }

    /// Looks after the streams until told to stop.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let every = self.retention.unwrap_or_default().every;
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let pause = match self.round().await {
                Ok(()) => {
                    failures = 0;
                    if self.pressure.is_high() { every.min(URGENT) } else { every }
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(error = chain(&error), "streams are not trimmed");
                    }
                    if let RuntimeError::Redis(cause) = &error {
                        recover(&self.redis, cause).await;
                    }
                    backoff(failures)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.pressure.rises(), if failures == 0 => (),
                () = tokio::time::sleep(pause) => (),
            }
        }
        close(&self.redis).await;
    }

    async fn round(&mut self) -> Result<(), RuntimeError> {
        if self.pressure.is_high() {
            // Removing needs no memory. What it frees lets consumers say how far they are, and so lets more be removed.
            control::shorten(&self.redis, self.store.service()).await?;
        }
        let layout = self.store.layout();
        for partition in 0..layout.partitions() {
            let key = StreamKey::new(self.store.service(), partition).at(layout.epoch());
            let before = extent(&self.redis, key).await?;
            let Some(retention) = self.retention else {
                measure::publish(key, &before);
                continue;
            };
            // Room for what nobody has read comes before convenience for readers that may come.
            let entries = if self.pressure.is_high() { 0 } else { retention.entries };
            self.trim(key, before, entries).await?;
            measure::publish(key, &extent(&self.redis, key).await?);
        }
        Ok(())
    }

    async fn trim(
        &mut self,
        key: StreamKey,
        before: Extent,
        retention: u64,
    ) -> Result<(), RuntimeError> {
        let registered = Registered::load(&self.store, key).await?;
        let limit = registered.limit(before.last, retention);
        let plan = registered.plan(limit.sequence);
        let mut blocked = BTreeSet::new();
        if let Some(group) = limit.held_by.filter(|group| registered.silent.contains(group)) {
            blocked.insert((Blocked::Silent, group));
        }
        for _ in 0..STEPS {
            match execute(&self.redis, key, &plan, SLICE, false).await? {
                Trimmed::Entries { count, held_by, .. } => {
                    counter!("events_trimmed_total").increment(count);
                    if let Some(group) = held_by.filter(|group| !plan.required.contains(group)) {
                        blocked.insert((Blocked::Unknown, group));
                    }
                    if count == 0 {
                        break;
                    }
                    tracing::debug!(stream = %key, count, "trimmed");
                }
                Trimmed::GroupMissing(group) => {
                    blocked.insert((Blocked::Missing, group));
                    break;
                }
                Trimmed::NoStream => break,
            }
        }
        self.report(key, blocked);
        Ok(())
    }

    /// Tells operators what stands in the way, in figures always and in words once.
    fn report(&mut self, key: StreamKey, blocked: BTreeSet<(Blocked, String)>) {
        for reason in Blocked::ALL {
            let is_blocked = blocked.iter().any(|(blocked, _)| *blocked == reason);
            gauge!("events_trim_blocked",
                "reason" => reason.as_str(), "partition" => key.partition.to_string())
            .set(if is_blocked { 1.0 } else { 0.0 });
        }
        let known = self.known.entry(key).or_default();
        for (reason, group) in blocked.difference(known) {
            tracing::warn!(
                stream = %key, group, reason = reason.as_str(),
                "the stream is not trimmed further because of a group; retire it if it is gone for good"
            );
        }
        for (reason, group) in known.difference(&blocked) {
            tracing::info!(stream = %key, group, reason = reason.as_str(), "no longer in the way of trimming");
        }
        *known = blocked;
    }
}

/// The sequence number after which a relay begins to fill a stream of which Redis knows nothing: what comes before need not be in it.
pub(crate) async fn beginning(
    store: &EventStore,
    key: StreamKey,
    head: u64,
    retention: Retention,
) -> Result<u64, RuntimeError> {
    Ok(Registered::load(store, key).await?.limit(head, retention.entries).sequence)
}

/// What trimming one stream would do now, without doing it.
///
/// # Errors
///
/// [`RuntimeError`] if the database or Redis does not answer.
pub async fn preview(
    store: &EventStore,
    redis: &Client,
    key: StreamKey,
    retention: u64,
) -> Result<Trimmed, RuntimeError> {
    let registered = Registered::load(store, key).await?;
    let limit = registered.limit(extent(redis, key).await?.last, retention);
    execute(redis, key, &registered.plan(limit.sequence), SLICE, true).await
}

/// Trims one stream now, as the relay's next round would, and says what went altogether.
///
/// # Errors
///
/// [`RuntimeError`] if the database or Redis does not answer.
pub async fn round(
    store: &EventStore,
    redis: &Client,
    key: StreamKey,
    retention: u64,
) -> Result<Trimmed, RuntimeError> {
    let registered = Registered::load(store, key).await?;
    let limit = registered.limit(extent(redis, key).await?.last, retention);
    let plan = registered.plan(limit.sequence);
    let mut gone = 0;
    for _ in 0..STEPS {
        match execute(redis, key, &plan, SLICE, false).await? {
            Trimmed::Entries { count, held_by, first, through } => {
                gone += count;
                if count == 0 {
                    return Ok(Trimmed::Entries { count: gone, held_by, first, through });
                }
            }
            other @ (Trimmed::GroupMissing(_) | Trimmed::NoStream) => return Ok(other),
        }
    }
    // More than a round may take at a time goes in the next one.
    preview(store, redis, key, retention).await
}
