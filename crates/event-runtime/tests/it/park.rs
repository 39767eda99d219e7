//! Parking: what cannot be applied waits with everything behind it, and nothing else waits.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use event_runtime::{epoch, park};
use fred::types::Value;
use sea_orm::ConnectionTrait;
use shared_schemas::{RawEvent, Service, envelope::Metadata};
use test_kit::{Publisher, eventually, stream_key};

use crate::{
    counter::{CARELESS, GROUP, LOCKED, PANIC, POISON},
    process::Worker,
    world::{LIMIT, Node, World, id},
};

/// Sequence number and reason of everything parked.
async fn parked(world: &World) -> BTreeMap<i64, String> {
    let parked = park::list(&world.db, 100).await.unwrap();
    parked.into_iter().map(|event| (event.sequence, event.reason)).collect()
}

async fn reasons(world: &World, expected: &[(i64, &str)]) -> Result<()> {
    let expected = expected.iter().map(|(at, reason)| (*at, (*reason).to_owned())).collect();
    let parked = parked(world).await;
    ensure!(parked == expected, "{parked:?}");
    Ok(())
}

async fn repair(world: &World) {
    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
}

/// F11: one bad event stops its own aggregate and no other.
#[tokio::test]
async fn a_rejected_event_parks_its_aggregate_in_order_and_no_other() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(3, 2).await;
    world.add(id(1), POISON).await;
    world.add_many(3, 2).await;
    eventually(LIMIT, || reasons(&world, &[(7, "refused"), (8, "behind"), (11, "behind")])).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;
    world.published().await.unwrap();
    assert_eq!(world.number("SELECT max(version) FROM engagement.tally WHERE counter_id = '00000000-0000-0000-0000-000000000001'").await.unwrap(), 2);

    let again = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert_eq!((again.applied, again.failed_again), (0, true));
    let attempts = park::list(&world.db, 1).await.unwrap().remove(0).attempts;
    assert_eq!(attempts, 2);

    repair(&world).await;
    let redriven = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert_eq!((redriven.applied, redriven.failed_again), (3, false));
    world.add_many(3, 2).await;
    eventually(LIMIT, || world.settled()).await;
    reasons(&world, &[]).await.unwrap();
    relay.stop().await;
    tally.stop().await;
}

/// F12: a handler that panics has a bug with one event.
#[tokio::test]
async fn a_panic_parks_the_event_and_the_redrive_survives_it_too() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), PANIC).await;
    world.add_many(2, 2).await;
    eventually(LIMIT, || reasons(&world, &[(1, "panic"), (2, "behind"), (4, "behind")])).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;

    let again = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert!(again.failed_again);
    repair(&world).await;
    tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// Its transaction is lost whatever the handler says, and so the event must not pass for done.
#[tokio::test]
async fn an_event_whose_handler_goes_on_after_a_failed_statement_is_parked() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(3, 2).await;
    world.add(id(1), CARELESS).await;
    eventually(LIMIT, || reasons(&world, &[(7, "storage")])).await;
    world.add_many(3, 1).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;
    reasons(&world, &[(7, "storage"), (8, "behind")]).await.unwrap();
    assert_eq!(world.watermark(0).await.unwrap(), 10);
    relay.stop().await;
    tally.stop().await;
}

/// Events of a version that does not exist yet, and of a type nobody knows (F28).
#[tokio::test]
async fn an_unknown_version_is_parked_and_an_unknown_type_is_passed_over() {
    let world = World::new(1).await;
    let tally = world.tally().await;
    let publisher = Publisher::connect(&world.redis.url(), 1).await.unwrap();
    let data = serde_json::json!({ "amount": 5 });
    for (counter, event_type) in [
        (1, "counter.added.v2"),
        (2, "counter.added.v1"),
        (3, "counter.frozen.v1"),
        (1, "counter.added.v1"),
    ] {
        let raw = RawEvent { event_type: event_type.to_owned(), data: data.clone() };
        let now = chrono::DateTime::UNIX_EPOCH;
        publisher
            .publish_raw(Service::Post, "counter", id(counter), 1, &raw, &Metadata::default(), now)
            .await
            .unwrap();
    }

    eventually(LIMIT, || async {
        ensure!(world.watermark(0).await? == 4, "not read");
        reasons(&world, &[(1, "unknown_version"), (4, "behind")]).await
    })
    .await;
    assert_eq!(world.number("SELECT count(*) FROM engagement.tally").await.unwrap(), 1);

    // A newer build, which knows the version, rewrites the entry's type in its decoder; here the entry itself is changed.
    let upgrade = "UPDATE parked_event SET entry = replace(entry, 'added.v2', 'added.v1')";
    world.db.execute_unprepared(upgrade).await.unwrap();
    let redriven = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert_eq!(redriven.applied, 2);
    tally.stop().await;
}

/// F10: entries that are no events do not stop those around them.
#[tokio::test]
async fn malformed_entries_are_parked_and_their_neighbours_take_effect() {
    let world = World::new(1).await;
    let publisher = Publisher::connect(&world.redis.url(), 1).await.unwrap();
    let added = |amount| crate::counter::CounterEvent::Added { amount };
    let key = stream_key(Service::Post, 0);
    let entry = |sequence: u32, fields: Vec<(&str, Vec<u8>)>| {
        let mut words: Vec<Value> =
            vec!["XADD".into(), key.as_str().into(), format!("{sequence}-0").into()];
        for (name, value) in fields {
            words.push(name.into());
            words.push(Value::Bytes(value.into()));
        }
        world.redis.command_of_bytes::<String>(words)
    };

    publisher.publish(id(1), 1, &added(1)).await.unwrap();
    // No field that is known.
    entry(2, vec![("x", b"y".to_vec())]).await.unwrap();
    // No UTF-8.
    entry(3, vec![("i", vec![0xff, 0xfe]), ("a", vec![0xc3, 0x28])]).await.unwrap();
    // NUL, which PostgreSQL cannot keep as text.
    let nul = format!("cou\0nter:{}", id(4));
    entry(4, vec![("a", nul.into_bytes()), ("t", b"counter\0".to_vec())]).await.unwrap();
    publisher.publish(id(1), 2, &added(2)).await.unwrap();
    // An event that breaks off, of a counter that is known.
    let broken = format!("counter:{}", id(2));
    entry(6, vec![("a", broken.into_bytes()), ("p", b"{\"amo".to_vec())]).await.unwrap();
    publisher.publish(id(2), 2, &added(2)).await.unwrap();
    // A known type with a payload that does not fit.
    let raw = RawEvent {
        event_type: "counter.added.v1".to_owned(),
        data: serde_json::json!({ "amount": "a\0" }),
    };
    let now = chrono::DateTime::UNIX_EPOCH;
    publisher
        .publish_raw(Service::Post, "counter", id(3), 1, &raw, &Metadata::default(), now)
        .await
        .unwrap();
    publisher.publish(id(1), 3, &added(3)).await.unwrap();
    let tally: Node = world.tally().await;

    eventually(LIMIT, || async {
        ensure!(world.watermark(0).await? == 9, "at {}", world.watermark(0).await?);
        let undecodable = "undecodable";
        reasons(
            &world,
            &[
                (2, undecodable),
                (3, undecodable),
                (4, undecodable),
                (6, undecodable),
                (7, "behind"),
                (8, undecodable),
            ],
        )
        .await
    })
    .await;
    let total = "SELECT total FROM engagement.tally";
    assert_eq!(world.number(total).await.unwrap(), 6);
    assert_eq!(world.pending(0).await.unwrap(), 0);

    // Those that belong to nobody are tried one by one.
    let redriven = tally.runtime.redrive(GROUP, None).await.unwrap();
    assert_eq!((redriven.applied, redriven.failed_again), (0, true));
    let attempts =
        "SELECT sum(attempts)::bigint FROM engagement.parked_event WHERE aggregate_id IS NULL";
    assert_eq!(world.number(attempts).await.unwrap(), 4);
    tally.stop().await;
}

/// What a time is to chrono is not always one to PostgreSQL.
#[tokio::test]
async fn an_entry_from_before_the_databases_calendar_is_parked_and_stops_nobody() {
    let world = World::new(1).await;
    let publisher = Publisher::connect(&world.redis.url(), 1).await.unwrap();
    let added = |amount| crate::counter::CounterEvent::Added { amount };
    let early: chrono::DateTime<chrono::Utc> = "-5000-01-01T00:00:00Z".parse().unwrap();
    for event_type in ["counter.added.v1", "counter.added.v2"] {
        let event_type = event_type.to_owned();
        let raw = RawEvent { event_type, data: serde_json::json!({ "amount": "no number" }) };
        publisher
            .publish_raw(Service::Post, "counter", id(1), 1, &raw, &Metadata::default(), early)
            .await
            .unwrap();
    }
    publisher.publish(id(2), 1, &added(5)).await.unwrap();
    let tally = world.tally().await;

    eventually(LIMIT, || async {
        ensure!(world.watermark(0).await? == 3, "not read");
        reasons(&world, &[(1, "undecodable"), (2, "behind")]).await
    })
    .await;
    assert_eq!(world.number("SELECT total FROM engagement.tally").await.unwrap(), 5);
    let dated = "SELECT count(*) FROM engagement.parked_event WHERE occurred_at IS NOT NULL";
    assert_eq!(world.number(dated).await.unwrap(), 0);
    tally.stop().await;
}

/// F27: the process that redrives is killed in the middle of it.
#[tokio::test]
async fn a_redrive_that_is_killed_half_way_is_continued_without_repeats() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), POISON).await;
    world.add(id(1), 2).await;
    world.add(id(1), LOCKED).await;
    world.add(id(1), 4).await;
    eventually(LIMIT, || async {
        reasons(&world, &[(1, "refused"), (2, "behind"), (3, "behind"), (4, "behind")]).await
    })
    .await;

    repair(&world).await;
    let lock = world.lock().await;
    let worker = Worker::redrive(&world, id(1)).await;
    eventually(LIMIT, || world.handler_waits()).await;
    worker.kill().await;
    lock.rollback().await.unwrap();
    eventually(LIMIT, || reasons(&world, &[(3, "behind"), (4, "behind")])).await;

    world.add(id(1), 5).await;
    eventually(LIMIT, || async {
        reasons(&world, &[(3, "behind"), (4, "behind"), (5, "behind")]).await
    })
    .await;
    let mut worker = Worker::redrive(&world, id(1)).await;
    worker.says("done").await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// The numbers of the new partition say nothing about those of the old one.
#[tokio::test]
async fn parked_events_of_a_counter_whose_partition_changed_are_redriven_in_its_order() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    for amount in 1..=10 {
        world.add(id(2), amount).await;
    }
    world.add(id(1), POISON).await;
    world.add(id(1), 2).await;
    eventually(LIMIT, || reasons(&world, &[(1, "refused"), (2, "behind")])).await;

    epoch::repartition(&world.post, world.redis.client(), 1).await.unwrap();
    world.add(id(1), 3).await;
    world.add(id(1), 4).await;
    let all = [(1, "refused"), (2, "behind"), (11, "behind"), (12, "behind")];
    eventually(LIMIT, || reasons(&world, &all)).await;
    let places = "SELECT count(DISTINCT partition) FROM engagement.parked_event";
    assert_eq!(world.number(places).await.unwrap(), 2);

    let again = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert_eq!((again.applied, again.failed_again), (0, true));
    repair(&world).await;
    let redriven = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert_eq!((redriven.applied, redriven.failed_again), (4, false));
    eventually(LIMIT, || world.applied()).await;
    relay.stop().await;
    tally.stop().await;
}

/// What was parked before its version was kept beside it gets it from its entry.
#[tokio::test]
async fn a_migrated_parked_event_has_the_version_that_its_entry_says() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), 1).await;
    world.add(id(1), POISON).await;
    eventually(LIMIT, || reasons(&world, &[(2, "refused")])).await;
    let version = "SELECT aggregate_version FROM engagement.parked_event";
    assert_eq!(world.number(version).await.unwrap(), 2);

    // Entries had a field per part then. Payloads may hold anything, and a version of their own.
    let older = r#"
        DROP TABLE skipped_event;
        ALTER TABLE parked_event DROP COLUMN aggregate_version;
        UPDATE parked_event SET entry = '{"i":"x","m":"{}","n":"2","p":"{\"n\":\"77\"}\u0000"}';
        INSERT INTO operator_action (operator, command, arguments, reason) VALUES
          ('ada', 'parked skip', '{"group": "g", "service": "post", "partition": 3, "sequence": 4}', 'gone'),
          ('ada', 'parked skip', '{"group": "g", "events": [{"service": "post", "partition": 3, "sequence": 5}]}', 'gone')"#;
    world.db.execute_unprepared(older).await.unwrap();
    let [.., (_, migration)] = event_runtime::MIGRATIONS;
    world.db.execute_unprepared(migration).await.unwrap();
    assert_eq!(world.number(version).await.unwrap(), 2);
    let skipped = "SELECT sum(sequence)::bigint FROM engagement.skipped_event WHERE partition = 3";
    assert_eq!(world.number(skipped).await.unwrap(), 9);
    relay.stop().await;
    tally.stop().await;
}
