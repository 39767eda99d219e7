//! What is seen of a partition from outside, once a second: how far it is behind, since when, and what Redis holds for it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::{clients::Client, error::Error, interfaces::StreamsInterface as _, types::Value};
use metrics::gauge;

use super::group::{Group, is_gone};
use crate::{lease::Subscription, redis::once, relay::last_sequence, stream::Entry};

/// One look at a stream and at a group's list of pending entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sight {
    /// The last sequence number ever written to the stream.
    pub(super) head: u64,
    /// Since when the oldest event exists that is after the watermark and in the stream; absent if none is.
    waiting_since: Option<DateTime<Utc>>,
    /// Entries that were delivered to anybody and not acknowledged.
    pending: u64,
    /// How long ago the first of them was delivered last.
    pending_for: Duration,
}

/// Looks, with one to four short commands.
pub(super) async fn look(group: &Group, redis: &Client, watermark: u64) -> Result<Sight, Error> {
    let head = last_sequence(redis, group.key).await?;
    let mut sight = Sight { head, ..Sight::default() };
    if head > watermark {
        let (from, key) = (format!("{}-0", watermark.saturating_add(1)), group.key.to_string());
        let next: Vec<Value> = once(redis).xrange(key, from, "+", Some(1)).await?;
        let next = next.into_iter().next().and_then(Entry::parse);
        sight.waiting_since = next.as_ref().and_then(occurred_at);
    }
    match group.pending(redis).await {
        Ok((count, idle)) => (sight.pending, sight.pending_for) = (count, idle),
        // Whoever reads notices that too, and makes it again.
        Err(error) if is_gone(&error) => (),
        Err(error) => return Err(error),
    }
    Ok(sight)
}

/// When it happened, as far as the entry can say.
fn occurred_at(entry: &Entry) -> Option<DateTime<Utc>> {
    entry.fields.as_ref()?.get("o")?.parse().ok()
}

impl Sight {
    /// Shows it, next to a watermark, at a moment. `known` is how far the producer says it is: what the stream does not hold
    /// any more, or not yet, is still to be read.
    pub(super) fn show(
        &self,
        subscription: Subscription,
        watermark: u64,
        known: u64,
        now: DateTime<Utc>,
    ) {
        let behind = self.head.max(known).saturating_sub(watermark);
        let labels = labels(subscription);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; a lag of 2^52 is not exact"
        )]
        let (behind_events, pending) = (behind as f64, self.pending as f64);
        gauge!("events_lag_events", &labels).set(behind_events);
        gauge!("events_pending", &labels).set(pending);
        gauge!("events_pending_oldest_seconds", &labels).set(self.pending_for.as_secs_f64());
        // Behind by events that nobody can date is not behind by no time: then the last word stands.
        let age = match self.waiting_since {
            _ if behind == 0 => Some(Duration::ZERO),
            Some(since) => Some((now - since).to_std().unwrap_or_default()),
            None => None,
        };
        if let Some(age) = age {
            gauge!("events_lag_seconds", &labels).set(age.as_secs_f64());
        }
    }
}

/// Says that this process owns a partition, or no longer: then what it saw last is no news any more.
pub(super) fn owns(subscription: Subscription, is_owner: bool) {
    let labels = labels(subscription);
    gauge!("events_lease_owner", &labels).set(if is_owner { 1.0 } else { 0.0 });
    if !is_owner {
        show_nothing(subscription);
    }
}

/// Shows how many events of a partition are in hand: delivered and not acknowledged, waiting for a lane, and done ahead of
/// the watermark.
pub(super) fn show_work(subscription: Subscription, values: [f64; 3]) {
    let labels = labels(subscription);
    let names = ["events_in_flight", "events_lane_depth", "events_inbox_depth"];
    for (name, value) in names.into_iter().zip(values) {
        gauge!(name, &labels).set(value);
    }
}

/// Shows nothing of a partition any more: what this process knew of it is another's to show, or nobody's.
pub(super) fn show_nothing(subscription: Subscription) {
    Sight::default().show(subscription, 0, 0, DateTime::UNIX_EPOCH);
    show_work(subscription, [0.0; 3]);
}

/// The labels of whatever is said about one group in one partition.
pub(super) fn labels(Subscription { group, key }: Subscription) -> [(&'static str, String); 3] {
    [
        ("group", group.to_owned()),
        ("service", key.service.as_str().to_owned()),
        ("partition", key.partition.to_string()),
    ]
}
