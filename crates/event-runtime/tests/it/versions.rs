//! Superseded events: what an older build recorded means the same to this one, by whichever way it is read.

use std::sync::{Arc, Mutex};

use event_runtime::{Broadcast, Expected, History, RuntimeBuilder, history::Filter};
use proptest::prelude::*;
use sea_orm::ConnectionTrait;
use serde_json::json;
use shared_schemas::{DecodeError, Event, RawEvent, Service, envelope::Metadata};
use test_kit::eventually;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    counter::{CounterEvent, GROUP, POISON},
    history,
    totals::{self, Totals, rows},
    world::{LIMIT, Node, World, id},
};

/// Turns the first events of every counter into what older builds recorded: the first one, and the second one, into the
/// forms before the last. They mean the same numbers.
async fn age(world: &World) {
    world
        .post
        .db()
        .execute_unprepared(
            "UPDATE event SET type = 'counter.increased.v1', data = jsonb_build_object('by', data -> 'amount')
               WHERE aggregate_version = 1;
             UPDATE event SET type = 'counter.increased.v2', data = jsonb_build_object('by', data -> 'amount', 'times', 1)
               WHERE aggregate_version = 2",
        )
        .await
        .unwrap();
}

/// Every counter has come to a total in the projection.
async fn tallied(world: &World, counters: i64, total: i64) {
    let query = format!("SELECT count(*) FROM engagement.tally WHERE total = {total}");
    eventually(LIMIT, || async { world.number(&query).await.is_ok_and(|found| found == counters) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_decides_on_what_older_builds_recorded() {
    let world = World::new(1).await;
    world.add_many(1, 4).await;
    age(&world).await;

    let (counter, _) = world.counters().state(id(1)).await.unwrap();
    assert_eq!(counter.total, 10);
    let mut seen = 0;
    let decided = Mutex::new(&mut seen);
    world
        .counters()
        .execute::<std::convert::Infallible>(
            id(1),
            Expected::Any,
            &Metadata::default(),
            |counter| {
                **decided.lock().unwrap() = counter.total;
                Ok(Vec::new())
            },
        )
        .await
        .unwrap();
    assert_eq!(seen, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_its_rebuild_and_its_audit_read_superseded_events_from_streams_and_stores() {
    let world = World::new(2).await;
    world.add_many(4, 4).await;
    age(&world).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    tallied(&world, 4, 10).await;

    assert_eq!(tally.runtime.audit(GROUP).await.unwrap().drift, []);
    world.db.execute_unprepared("UPDATE tally SET total = 0").await.unwrap();
    tally.runtime.rebuild(GROUP).await.unwrap();
    tallied(&world, 4, 10).await;

    // And what the producer's store says to those who come after a trim.
    for partition in 0..2 {
        let key = test_kit::stream_key(Service::Post, partition);
        let _: u64 = world.redis.command(&["XTRIM", &key, "MINID", "9-0"]).await.unwrap();
    }
    world.db.execute_unprepared("UPDATE tally SET total = 0").await.unwrap();
    tally.runtime.rebuild(GROUP).await.unwrap();
    tallied(&world, 4, 10).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_superseded_event_takes_effect_when_it_is_redriven() {
    let world = World::new(1).await;
    world.add(id(1), POISON).await;
    world.add(id(1), 2).await;
    age(&world).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    let parked = || world.number("SELECT count(*) FROM engagement.parked_event");
    eventually(LIMIT, || async { parked().await.is_ok_and(|parked| parked == 2) }).await;

    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
    tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();

    tallied(&world, 1, POISON + 2).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_made_from_superseded_events_is_the_one_that_grew_with_them() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let builder = RuntimeBuilder::new(world.post.clone(), world.redis.url()).read_model(Totals);
    let node = Node::start(builder.build());
    for amount in 1..=4 {
        let events = vec![CounterEvent::Added { amount }];
        counters
            .execute::<std::convert::Infallible>(id(1), Expected::Any, &Metadata::default(), |_| {
                Ok(events.clone())
            })
            .await
            .unwrap();
    }
    let grown = rows(&world.post).await;
    age(&world).await;

    assert_eq!(node.runtime.audit("counter").await.unwrap().drift, []);
    node.runtime.rebuild("counter").await.unwrap();

    assert_eq!(rows(&world.post).await, grown);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_and_readers_of_the_history_open_superseded_events_as_what_they_mean() {
    let world = World::new(1).await;
    world.add_many(1, 3).await;
    age(&world).await;
    let relay = world.relay();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let heard = Arc::clone(&heard);
        Arc::new(move |event: &event_runtime::RecordedEvent| {
            heard.lock().unwrap().push(event.open::<CounterEvent>().unwrap().unwrap().event);
        })
    };
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let broadcast = Broadcast::new(world.redis.url(), Service::Post, listener);
    tasks.spawn(broadcast.run(shutdown.clone()).unwrap());
    let expected: Vec<CounterEvent> =
        (1..=3).map(|amount| CounterEvent::Added { amount }).collect();
    eventually(LIMIT, || async { *heard.lock().unwrap() == expected }).await;

    let events = history::read(&History::of(&world.post), &Filter::default(), 10).await;

    // Raw as it was recorded, and open as what it means.
    let types: Vec<&str> = events.iter().map(|event| event.raw.event_type.as_str()).collect();
    assert_eq!(types, ["counter.increased.v1", "counter.increased.v2", "counter.added.v1"]);
    let open = events.iter().map(|event| event.open::<CounterEvent>().unwrap().unwrap().event);
    assert_eq!(open.collect::<Vec<_>>(), expected);
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    relay.stop().await;
}

fn decode(event_type: &str, data: serde_json::Value) -> Result<Option<CounterEvent>, DecodeError> {
    CounterEvent::decode(RawEvent { event_type: event_type.to_owned(), data })
}

proptest! {
    #[test]
    fn a_document_of_any_version_decodes_as_the_next_version_it_means(
        by in -1_000_000_i64..1_000_000,
        times in -1_000_i64..1_000,
        // Of no field that there is.
        surplus in "x_[a-z]{1,8}",
    ) {
        let first = decode("counter.increased.v1", json!({ "by": by, surplus: true })).unwrap();
        let as_second = decode("counter.increased.v2", json!({ "by": by, "times": 1 })).unwrap();
        prop_assert_eq!(&first, &as_second);
        prop_assert_eq!(first, Some(CounterEvent::Added { amount: by }));

        let second = decode("counter.increased.v2", json!({ "by": by, "times": times })).unwrap();
        let as_third = decode("counter.added.v1", json!({ "amount": by * times })).unwrap();
        prop_assert_eq!(second, as_third);
    }

    #[test]
    fn an_upcast_changes_nothing_that_is_current_and_ends_after_one_pass(
        event_type in "counter\\.(added|labelled|increased)\\.v[1-4]",
        by in any::<i64>(),
    ) {
        let raw = RawEvent { event_type, data: json!({ "by": by, "times": by, "amount": by, "label": "l" }) };
        let once = CounterEvent::upcast(raw.clone());
        prop_assert_eq!(&CounterEvent::upcast(once.clone()), &once);
        if !raw.event_type.starts_with("counter.increased.v1") && !raw.event_type.starts_with("counter.increased.v2") {
            prop_assert_eq!(once, raw);
        }
    }

    #[test]
    fn a_superseded_document_that_says_nothing_is_an_error_and_no_zero(data in "[a-z]{3,8}") {
        let malformed = decode("counter.increased.v1", json!({ data: 1 }));
        prop_assert!(matches!(malformed, Err(DecodeError::Malformed { .. })), "{:?}", malformed);
    }
}
