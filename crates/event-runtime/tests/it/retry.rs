//! Trying again: what asks for it, what a newer build understands, and what ends the process.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use event_runtime::park::{self, Skip};
use sea_orm::ConnectionTrait;
use shared_schemas::{RawEvent, Service, envelope::Metadata};
use test_kit::{Publisher, eventually};

use crate::{
    counter::{ABORT, GROUP, LATER, LOCKED, POISON},
    process::Worker,
    world::{LIMIT, World, id},
};

async fn repair(world: &World) {
    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
}

/// Sequence numbers and reasons of everything parked, in order.
async fn reasons(world: &World, expected: &[(i64, &str)]) -> Result<()> {
    let parked = park::list(&world.db, 100).await?;
    let mut found: Vec<(i64, &str)> =
        parked.iter().map(|event| (event.sequence, event.reason.as_str())).collect();
    found.sort_unstable();
    ensure!(found == expected, "{found:?}");
    Ok(())
}

/// The event waits by itself, those behind it wait with it, and all others go on meanwhile.
#[tokio::test]
async fn an_event_that_asks_for_it_is_tried_again_by_itself_and_holds_up_its_aggregate_alone() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LATER).await;
    world.add_many(3, 3).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;
    let waiting = [(1, "retry"), (2, "behind"), (5, "behind"), (8, "behind")];
    eventually(LIMIT, || reasons(&world, &waiting)).await;
    assert_eq!(world.watermark(0).await.unwrap(), 10);
    assert_eq!(world.pending(0).await.unwrap(), 0);

    eventually(LIMIT, || async {
        let head = park::list(&world.db, 1).await?.remove(0);
        ensure!(head.retry_at.is_some(), "nobody will try it again");
        ensure!(head.attempts >= 3, "tried {} times", head.attempts);
        Ok(())
    })
    .await;
    repair(&world).await;
    // Or an operator would wait for minutes.
    let now = "UPDATE parked_event SET retry_at = now() WHERE reason = 'retry'";
    world.db.execute_unprepared(now).await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    reasons(&world, &[]).await.unwrap();
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn after_twenty_attempts_an_event_waits_for_an_operator() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LATER).await;
    eventually(LIMIT, || reasons(&world, &[(1, "retry")])).await;
    let last = "UPDATE parked_event SET attempts = 19, retry_at = now()";
    world.db.execute_unprepared(last).await.unwrap();
    eventually(LIMIT, || reasons(&world, &[(1, "retry_exhausted")])).await;
    let parked = park::list(&world.db, 1).await.unwrap().remove(0);
    assert_eq!((parked.attempts, parked.retry_at), (20, None));

    // Whatever the reason, an operator may ask for another try.
    repair(&world).await;
    world.db.execute_unprepared("UPDATE parked_event SET retry_at = now()").await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// A request that comes to nothing is answered once, not for ever.
#[tokio::test]
async fn a_requested_redrive_that_fails_again_is_not_repeated() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), POISON).await;
    world.add(id(1), 2).await;
    eventually(LIMIT, || reasons(&world, &[(1, "refused"), (2, "behind")])).await;
    // The one behind is asked for; the first one is what it takes.
    let request = "UPDATE parked_event SET retry_at = now() WHERE sequence = 2";
    world.db.execute_unprepared(request).await.unwrap();
    let requests = "SELECT count(*) FROM engagement.parked_event WHERE retry_at IS NOT NULL";
    eventually(LIMIT, || async {
        let attempts = "SELECT attempts FROM engagement.parked_event WHERE sequence = 1";
        let (attempts, open) = (world.number(attempts).await?, world.number(requests).await?);
        ensure!((attempts, open) == (2, 0), "{attempts} attempts, {open} requests");
        Ok(())
    })
    .await;
    reasons(&world, &[(1, "refused"), (2, "behind")]).await.unwrap();
    relay.stop().await;
    tally.stop().await;
}

/// Of several that were asked for, some cannot be tried for the database's sake.
#[tokio::test]
async fn a_requested_redrive_that_was_cut_short_is_made_up_later_and_holds_up_no_other() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    for counter in 1..=3 {
        world.add(id(counter), POISON).await;
    }
    let refused = [(1, "refused"), (2, "refused"), (3, "refused")];
    eventually(LIMIT, || reasons(&world, &refused)).await;
    let fault = "
        CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a fault'; END $$;
        CREATE TRIGGER fault BEFORE DELETE ON parked_event FOR EACH ROW WHEN (OLD.sequence < 3)
          EXECUTE FUNCTION fault()";
    world.db.execute_unprepared(fault).await.unwrap();
    repair(&world).await;
    world.db.execute_unprepared("UPDATE parked_event SET retry_at = now()").await.unwrap();
    eventually(LIMIT, || reasons(&world, &[(1, "refused"), (2, "refused")])).await;
    let requests =
        "SELECT count(*) FROM engagement.parked_event WHERE retry_at > now() + interval '1 min'";
    eventually(LIMIT, || async { world.number(requests).await.unwrap() == 2 }).await;

    // Some minutes later.
    let later = "DROP TRIGGER fault ON parked_event;
                 UPDATE parked_event SET retry_at = now() WHERE retry_at IS NOT NULL";
    world.db.execute_unprepared(later).await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn an_owner_that_stops_finishes_the_redrive_that_it_has_in_hand() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), POISON).await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || reasons(&world, &[(1, "refused"), (2, "behind")])).await;
    repair(&world).await;
    let lock = world.lock().await;
    let request = "UPDATE parked_event SET retry_at = now() WHERE sequence = 1";
    world.db.execute_unprepared(request).await.unwrap();
    eventually(LIMIT, || world.handler_waits()).await;

    let begun = Instant::now();
    let release = async {
        eventually(LIMIT, || async { begun.elapsed() > Duration::from_secs(1) }).await;
        lock.rollback().await.unwrap();
    };
    tokio::join!(tally.stop(), release);
    reasons(&world, &[]).await.unwrap();
    world.applied().await.unwrap();
    relay.stop().await;
}

/// An old build and a new one, in that order, as in a deployment.
#[tokio::test]
async fn events_of_a_new_version_wait_for_the_build_that_knows_it() {
    let world = World::new(1).await;
    let old = Worker::tally(&world, &world.redis.url()).await;
    let publisher = Publisher::connect(&world.redis.url(), 1).await.unwrap();
    let events = [
        (1, "counter.added.v1", serde_json::json!({ "amount": 1 })),
        (1, "counter.added.v2", serde_json::json!({ "amount": "2" })),
        (2, "counter.added.v1", serde_json::json!({ "amount": 1 })),
        (1, "counter.added.v1", serde_json::json!({ "amount": 3 })),
        (3, "counter.added.v2", serde_json::json!({ "amount": "1" })),
    ];
    let mut versions = [0; 4];
    for (counter, event_type, data) in events {
        let version = &mut versions[counter];
        *version += 1;
        let raw = RawEvent { event_type: event_type.to_owned(), data };
        let now = chrono::DateTime::UNIX_EPOCH;
        let counter = id(counter as u128);
        publisher
            .publish_raw(
                Service::Post,
                "counter",
                counter,
                *version,
                &raw,
                &Metadata::default(),
                now,
            )
            .await
            .unwrap();
    }
    let unknown = [(2, "unknown_version"), (4, "behind"), (5, "unknown_version")];
    eventually(LIMIT, || reasons(&world, &unknown)).await;

    let new = Worker::variant(&world, "tally-v2", &world.redis.url()).await;
    old.terminate().await;
    eventually(LIMIT, || reasons(&world, &[])).await;
    let log = "SELECT count(*) FROM engagement.tally_log";
    assert_eq!(world.number(log).await.unwrap(), 5);
    let first = "SELECT string_agg(amount::text, '' ORDER BY id)::bigint FROM engagement.tally_log
                   WHERE counter_id = '00000000-0000-0000-0000-000000000001'";
    assert_eq!(world.number(first).await.unwrap(), 123);
    new.terminate().await;
}

/// Ends every process that tries it, whoever starts them again.
#[tokio::test]
async fn an_event_that_ends_the_process_is_parked_and_everything_else_flows() {
    crash_loop("tally").await;
}

#[tokio::test]
async fn an_event_that_ends_the_process_is_parked_by_lanes_too() {
    crash_loop("tally-lanes").await;
}

async fn crash_loop(role: &str) {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(3, 2).await;
    world.add(id(1), ABORT).await;
    world.add_many(3, 2).await;

    let mut crashes = 0;
    let survivor = loop {
        let worker = Worker::variant(&world, role, &world.redis.url()).await;
        match worker.ends_by_itself().await {
            Ok(()) => crashes += 1,
            Err(alive) => break alive,
        }
        assert!(crashes < 12, "it is tried for ever");
    };
    eventually(LIMIT, || reasons(&world, &[(7, "crash_loop"), (8, "behind"), (11, "behind")]))
        .await;
    eventually(LIMIT, || world.applied_but(id(1))).await;
    assert!((5..=8).contains(&crashes), "{crashes} crashes");
    assert_eq!(world.number("SELECT count(*) FROM engagement.attempt").await.unwrap(), 0);

    // It is not tried again by itself; mended, it is.
    world.add_many(3, 2).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;
    repair(&world).await;
    let request = "UPDATE parked_event SET retry_at = now() WHERE reason = 'crash_loop'";
    world.db.execute_unprepared(request).await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    survivor.terminate().await;
    relay.stop().await;
}

/// Giving up is an operator's decision, and leaves word of it.
#[tokio::test]
async fn a_skipped_event_lets_those_behind_it_go_on_and_names_who_skipped_it() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), POISON).await;
    world.add_many(1, 2).await;
    world.add(id(2), POISON).await;
    world.add_many(2, 1).await;
    let parked = [
        (1, "refused"),
        (2, "behind"),
        (3, "behind"),
        (4, "refused"),
        (5, "behind"),
        (6, "behind"),
    ];
    eventually(LIMIT, || reasons(&world, &parked)).await;

    let store = tally.runtime.store();
    let one = Skip::Event { service: Service::Post, partition: 0, sequence: 1 };
    assert_eq!(park::skip(store, GROUP, one, "ada", "a test event").await.unwrap(), 1);
    eventually(LIMIT, || reasons(&world, &[(4, "refused"), (6, "behind")])).await;
    let two = Skip::Aggregate(id(2));
    assert_eq!(park::skip(store, GROUP, two, "ada", "the counter is gone").await.unwrap(), 2);
    assert_eq!(park::skip(store, GROUP, two, "ada", "the counter is gone").await.unwrap(), 0);
    reasons(&world, &[]).await.unwrap();

    let effects = "SELECT count(*) FROM engagement.tally_log";
    assert_eq!(world.number(effects).await.unwrap(), 3);
    let actions = "SELECT count(*) FROM engagement.operator_action
                     WHERE operator = 'ada' AND command = 'parked skip' AND reason IS NOT NULL";
    assert_eq!(world.number(actions).await.unwrap(), 2);
    world.add_many(2, 1).await;
    eventually(Duration::from_mins(1), || async { world.number(effects).await.unwrap() == 5 })
        .await;
    relay.stop().await;
    tally.stop().await;
}
