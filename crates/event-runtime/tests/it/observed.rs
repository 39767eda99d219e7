//! Figures that operators are woken by.

use anyhow::{Result, ensure};
use shared_schemas::{RawEvent, Service, envelope::Metadata};
use test_kit::{Publisher, eventually};

use crate::{
    counter::{LOCKED, POISON},
    figures::{figure, figures},
    world::{LIMIT, World, id},
};

const GROUP: &str = "group=\"engagement.tally\"";

fn is(value: f64) -> impl Fn(f64) -> bool + Sync {
    move |shown| (shown - value).abs() < f64::EPSILON
}

/// The figure satisfies a condition.
async fn shows(name: &str, label: &str, is_right: impl Fn(f64) -> bool + Sync) {
    eventually(LIMIT, || async { check(name, label, &is_right) }).await;
}

fn check(name: &str, label: &str, is_right: impl Fn(f64) -> bool + Sync) -> Result<()> {
    let value = figure(name, &[label]);
    ensure!(value.is_some_and(is_right), "{name} is {value:?}");
    Ok(())
}

#[tokio::test]
async fn what_waits_is_counted_and_dated_and_who_works_on_it_is_named() {
    figures();
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    shows("events_lease_owner", GROUP, is(1.0)).await;

    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    world.add_many(1, 3).await;
    shows("events_lag_events", GROUP, is(4.0)).await;
    shows("events_pending", GROUP, is(4.0)).await;
    shows("events_lag_seconds", GROUP, |value| value > 1.5).await;
    shows("events_pending_oldest_seconds", GROUP, |value| value > 1.5).await;

    lock.rollback().await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    for name in [
        "events_lag_events",
        "events_pending",
        "events_lag_seconds",
        "events_pending_oldest_seconds",
    ] {
        shows(name, GROUP, is(0.0)).await;
    }
    tally.stop().await;
    shows("events_lease_owner", GROUP, is(0.0)).await;
    relay.stop().await;
}

/// A process that does not own a partition any more knows nothing about it.
#[tokio::test]
async fn a_process_that_stops_owning_leaves_no_lag_behind() {
    figures();
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    world.add_many(1, 3).await;
    shows("events_lag_events", GROUP, is(4.0)).await;
    lock.rollback().await.unwrap();
    tally.stop().await;
    check("events_lag_events", GROUP, is(0.0)).unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn parked_events_are_counted_with_what_they_hold_up_and_since_when() {
    figures();
    let world = World::new(1).await;
    let tally = world.tally().await;
    let publisher = Publisher::connect(&world.redis.url(), 1).await.unwrap();
    let now = chrono::DateTime::UNIX_EPOCH;
    for (counter, event_type, amount) in [
        (1, "counter.added.v2", 1),
        (1, "counter.added.v1", 1),
        (2, "counter.added.v1", POISON),
        (3, "counter.added.v1", 3),
    ] {
        let data = serde_json::json!({ "amount": amount });
        let raw = RawEvent { event_type: event_type.to_owned(), data };
        publisher
            .publish_raw(Service::Post, "counter", id(counter), 1, &raw, &Metadata::default(), now)
            .await
            .unwrap();
    }
    shows("events_parked", GROUP, is(3.0)).await;
    check("events_blocked_aggregates", GROUP, is(2.0)).unwrap();
    shows("events_parked_oldest_seconds", GROUP, |value| value > 0.0).await;
    check("events_unknown_version_total", GROUP, is(1.0)).unwrap();
    tally.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_filled_again_is_counted_once() {
    figures();
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(1, 3).await;
    eventually(LIMIT, || world.published()).await;
    world.redis.flushall().await.unwrap();
    eventually(LIMIT, || world.published()).await;
    shows("events_stream_rebuilds_total", "", is(1.0)).await;
    check("events_republished_total", "", is(3.0)).unwrap();
    relay.stop().await;
}
