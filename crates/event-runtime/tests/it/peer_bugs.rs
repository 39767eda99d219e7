//! What goes wrong in other runtimes over Redis Streams and PostgreSQL, and not in this one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::ensure;
use event_runtime::Expected;
use fred::types::Value;
use sea_orm::{ConnectionTrait, TransactionTrait};
use shared_schemas::{Service, envelope::Metadata};
use test_kit::{FaultProxy, Publisher, TestDatabase, eventually, stream_key};

use crate::{
    counter::{CounterEvent, GROUP, POISON},
    process::Worker,
    world::{LIMIT, World, id},
};

fn key() -> String {
    stream_key(Service::Post, 0)
}

/// Gives everything that is new, `count` entries at most, to somebody who uses the name of the group's owner and then does
/// nothing with it.
async fn steal(world: &World, count: &str) -> Vec<Value> {
    let read = ["XREADGROUP", "GROUP", GROUP, "owner", "COUNT", count, "STREAMS", &key(), ">"];
    let stolen: Option<Vec<Value>> = world.redis.command(&read).await.unwrap();
    stolen.unwrap_or_default()
}

async fn nothing_is_pending(world: &World) -> anyhow::Result<()> {
    let pending = world.pending(0).await?;
    ensure!(pending == 0, "{pending} pending");
    Ok(())
}

/// A claim loop that gives up at the first entry that it cannot read.
#[tokio::test]
async fn a_malformed_entry_among_those_of_a_dead_owner_blocks_nobody() {
    let world = World::new(1).await;
    let create = ["XGROUP", "CREATE", &key(), GROUP, "0", "MKSTREAM"];
    let () = world.redis.command(&create).await.unwrap();
    let publisher = Publisher::connect(&world.redis.url(), 1).await.unwrap();
    publisher.publish(id(1), 1, &CounterEvent::Added { amount: 1 }).await.unwrap();
    let _: String = world.redis.command(&["XADD", &key(), "2-0", "x", "y"]).await.unwrap();
    for counter in 2..=5 {
        publisher.publish(id(counter), 1, &CounterEvent::Added { amount: 1 }).await.unwrap();
    }
    steal(&world, "10").await;
    assert_eq!(world.pending(0).await.unwrap(), 6);

    let tally = world.tally().await;
    eventually(LIMIT, || async {
        let applied = world.number("SELECT count(*) FROM engagement.tally_log").await?;
        ensure!(applied == 5, "{applied} applied");
        let parked = world.number("SELECT count(*) FROM engagement.parked_event").await?;
        ensure!(parked == 1, "{parked} parked");
        nothing_is_pending(&world).await
    })
    .await;
    tally.stop().await;
}

/// A read whose future was dropped, or whose process was stopped: the server gives it the next entry all the same, and no
/// later entry tells the owner that one is missing.
#[tokio::test]
async fn entries_that_a_forgotten_read_was_given_take_effect_although_nothing_follows() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;

    // Redis serves whoever waits longest, so it takes some tries to be that one.
    let mut stolen = false;
    while !stolen {
        let read = [
            "XREADGROUP",
            "GROUP",
            GROUP,
            "owner",
            "COUNT",
            "1",
            "BLOCK",
            "1000",
            "STREAMS",
            &key(),
            ">",
        ];
        let (forgotten, _) = tokio::join!(world.redis.command::<Option<Value>>(&read), async {
            let started = Instant::now();
            eventually(LIMIT, || async { started.elapsed() > Duration::from_millis(600) }).await;
            world.add(id(1), 1).await
        });
        stolen = forgotten.unwrap().is_some();
    }
    eventually(LIMIT, || async {
        world.settled().await?;
        nothing_is_pending(&world).await
    })
    .await;
    relay.stop().await;
    tally.stop().await;
}

/// Redis answers a read of the past with nil for entries that were trimmed, and a decoder that expects fields fails for all.
#[tokio::test]
async fn entries_that_were_trimmed_while_pending_are_no_obstacle() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    let () = world.redis.command(&["XGROUP", "SETID", &key(), GROUP, "0"]).await.unwrap();
    steal(&world, "15").await;
    let _: u64 = world.redis.command(&["XTRIM", &key(), "MAXLEN", "2"]).await.unwrap();
    assert_eq!(world.pending(0).await.unwrap(), 15);

    let tally = world.tally().await;
    world.add_many(3, 2).await;
    eventually(LIMIT, || async {
        world.applied().await?;
        nothing_is_pending(&world).await
    })
    .await;
    relay.stop().await;
    tally.stop().await;
}

/// Order by transaction id: the later version comes from the transaction that had its id first.
#[tokio::test]
async fn versions_are_published_in_order_although_the_later_transaction_began_first() {
    let world = World::new(1).await;
    let relay = world.relay();
    let early = world.post.begin().await.unwrap();
    early.txn().execute_unprepared("SELECT pg_current_xact_id()").await.unwrap();
    world.add(id(1), 1).await;
    let metadata = Metadata::default();
    world
        .counters()
        .execute_in(&early, id(1), Expected::Any, &metadata, |_| {
            Ok::<_, std::convert::Infallible>(vec![CounterEvent::Added { amount: 2 }])
        })
        .await
        .unwrap();
    early.commit().await.unwrap();

    eventually(LIMIT, || async {
        ensure!(world.entries(0).await?.len() == 2, "not published");
        world.published().await
    })
    .await;
    relay.stop().await;
}

/// A horizon of transactions is one for the whole cluster: somebody else's migration hides all new events.
#[tokio::test]
async fn an_open_transaction_in_another_database_delays_nothing() {
    let world = World::new(1).await;
    let relay = world.relay();
    let other = TestDatabase::create().await.unwrap();
    let other = other.connect("other").await.unwrap();
    let open = other.begin().await.unwrap();
    open.execute_unprepared("CREATE TABLE slow (id int)").await.unwrap();

    world.add_many(2, 5).await;
    eventually(LIMIT, || async {
        ensure!(world.entries(0).await?.len() == 10, "not published");
        world.published().await
    })
    .await;
    open.rollback().await.unwrap();
    relay.stop().await;
}

/// Delivery counters also count reads of the past and restarts: an event that failed at nothing is given up.
#[tokio::test]
async fn an_event_that_was_delivered_a_hundred_times_takes_effect() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.published()).await;
    steal(&world, "100").await;
    for sequence in 2..=7 {
        let entry = format!("{sequence}-0");
        let claim = ["XCLAIM", &key(), GROUP, "owner", "0", &entry, "RETRYCOUNT", "100"];
        let _: Value = world.redis.command(&claim).await.unwrap();
    }

    let tally = world.tally().await;
    eventually(LIMIT, || async {
        world.settled().await?;
        nothing_is_pending(&world).await
    })
    .await;
    let parked = world.number("SELECT count(*) FROM engagement.parked_event").await.unwrap();
    assert_eq!(parked, 0);
    relay.stop().await;
    tally.stop().await;
}

/// A name of its own for every process: each restart leaves one behind, with what it had.
#[tokio::test]
async fn names_of_consumers_do_not_pile_up_over_kills_and_restarts() {
    let world = World::new(1).await;
    let relay = world.relay();
    for _ in 0..3 {
        let worker = Worker::tally(&world, &world.redis.url()).await;
        world.add(id(1), 1).await;
        eventually(LIMIT, || world.settled()).await;
        worker.kill().await;
        let tally = world.tally().await;
        world.add(id(1), 1).await;
        eventually(LIMIT, || world.settled()).await;
        tally.stop().await;
    }

    let consumers: Vec<BTreeMap<String, Value>> =
        world.redis.command(&["XINFO", "CONSUMERS", &key(), GROUP]).await.unwrap();
    assert_eq!(consumers.len(), 1, "{consumers:?}");
    relay.stop().await;
}

/// A group that was lost and made again at `$` has missed what came in between.
#[tokio::test]
async fn a_group_that_somebody_made_again_at_the_end_misses_nothing() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;

    // Under an owner that waits.
    make_again_at_the_end(&world).await;
    eventually(LIMIT, || world.settled()).await;

    // While there is none.
    tally.stop().await;
    make_again_at_the_end(&world).await;
    let tally = world.tally().await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// Takes the group away, and makes it again, if nobody else has, when there are events that it has not had.
async fn make_again_at_the_end(world: &World) {
    let destroyed: u64 = world.redis.command(&["XGROUP", "DESTROY", &key(), GROUP]).await.unwrap();
    assert_eq!(destroyed, 1);
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.published()).await;
    let end = ["XGROUP", "CREATE", &key(), GROUP, "$"];
    if let Err(error) = world.redis.command::<Value>(&end).await {
        assert!(format!("{error:#}").contains("BUSYGROUP"), "{error:#}");
    }
}

/// A read that brings nothing within its time is an error in some clients, and every idle second a new connection.
#[tokio::test]
async fn an_idle_owner_keeps_its_connection() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay();
    let tally = world.tally_via(proxy.url(), &world.engagement_url).await;
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;

    let (connections, started) = (proxy.accepted(), Instant::now());
    eventually(LIMIT, || async { started.elapsed() > Duration::from_secs(3) }).await;
    assert_eq!(proxy.accepted(), connections);
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// Leaving politely while a read waits takes as long as the read.
#[tokio::test]
async fn an_owner_stops_in_the_middle_of_a_read() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;

    let stopped = tally.stop().await;
    assert!(stopped < Duration::from_secs(2), "{stopped:?}");
    relay.stop().await;
}

/// A retry that appends the event again is a new event for every other group, and comes after later ones.
#[tokio::test]
async fn parking_and_redriving_add_nothing_to_the_stream() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), POISON).await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || async {
        let parked = world.number("SELECT count(*) FROM engagement.parked_event").await?;
        ensure!(parked == 4, "{parked} parked");
        nothing_is_pending(&world).await
    })
    .await;
    let before = world.entries(0).await.unwrap();

    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
    let redriven = tally.runtime.redrive(GROUP, Some(id(1))).await.unwrap();
    assert_eq!(redriven.applied, 4);
    assert_eq!(world.entries(0).await.unwrap(), before);
    world.settled().await.unwrap();
    relay.stop().await;
    tally.stop().await;
}
