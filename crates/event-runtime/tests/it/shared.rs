//! Shared groups: no owner and no order, each event in effect once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use event_runtime::{
    Concurrency, Expected, epoch,
    operator::{
        groups,
        seek::{self, Target},
    },
    park,
};
use fred::types::Value;
use sea_orm::ConnectionTrait as _;
use shared_schemas::{Service, envelope::Metadata};
use test_kit::{FaultProxy, eventually, stream_key};

use crate::{
    counter::{ABORT, CounterEvent, GROUP, LOCKED, POISON, Variant},
    process::Worker,
    world::{LIMIT, World, id},
};

const SHARED: Variant = Variant {
    concurrency: Concurrency::Shared(4),
    knows_v2: false,
    categories: &[],
    linger: Duration::ZERO,
};

/// Every event took effect once, in whatever order, except those of one counter; and nothing is left of the way there.
async fn once_but(world: &World, except: u128) -> Result<()> {
    world.published().await?;
    let except = id(except);
    let wrong = world
        .number(&format!(
            "SELECT count(*) FROM (SELECT * FROM post.event WHERE aggregate_id <> '{except}') e FULL JOIN (
               SELECT counter_id, version, count(*) AS times FROM engagement.tally_log
                 WHERE counter_id <> '{except}' GROUP BY 1, 2) l
               ON (e.aggregate_id, e.aggregate_version) = (l.counter_id, l.version)
               WHERE e.id IS NULL OR l.times IS DISTINCT FROM 1"
        ))
        .await?;
    ensure!(wrong == 0, "{wrong} events took effect more or less than once");
    for partition in 0..world.partitions {
        let behind = world
            .number(&format!(
                "SELECT coalesce((SELECT max(sequence) FROM post.publication WHERE partition = {partition}), 0)
                   - coalesce((SELECT sequence FROM engagement.watermark WHERE partition = {partition}), 0)"
            ))
            .await?;
        ensure!(behind == 0, "the watermark is {behind} events behind");
        ensure!(world.pending(partition).await? == 0, "not acknowledged");
    }
    let inbox = world.number("SELECT count(*) FROM engagement.inbox").await?;
    ensure!(inbox == 0, "{inbox} rows in the inbox");
    Ok(())
}

async fn once(world: &World) -> Result<()> {
    once_but(world, 0).await
}

/// Reader, and number of deliveries, of what is pending under one number.
async fn delivery(world: &World, sequence: u64) -> Result<(String, u64)> {
    let (key, at) = (stream_key(Service::Post, 0), format!("{sequence}-0"));
    let pending: Vec<(String, String, u64, u64)> =
        world.redis.command(&["XPENDING", &key, GROUP, &at, &at, "1"]).await?;
    let Some((_, reader, _, deliveries)) = pending.into_iter().next() else {
        anyhow::bail!("not pending")
    };
    Ok((reader, deliveries))
}

#[tokio::test]
async fn readers_of_two_processes_share_a_partition_and_each_event_counts_once() {
    let world = World::new(1).await;
    let relay = world.relay();
    let one = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    let other = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    eventually(LIMIT, || async {
        let slots = "SELECT count(*) FROM engagement.slot WHERE expires_at > now()";
        ensure!(world.number(slots).await? == 8, "not eight readers");
        Ok(())
    })
    .await;
    world.add_many(10, 15).await;
    eventually(LIMIT, || once(&world)).await;

    let key = stream_key(Service::Post, 0);
    let readers: Vec<Value> =
        world.redis.command(&["XINFO", "CONSUMERS", &key, GROUP]).await.unwrap();
    assert!((2..=8).contains(&readers.len()), "{} readers", readers.len());
    one.terminate().await;
    let slots = "SELECT count(*) FROM engagement.slot WHERE expires_at > now()";
    assert_eq!(world.number(slots).await.unwrap(), 4);
    world.add_many(10, 2).await;
    eventually(LIMIT, || once(&world)).await;
    other.terminate().await;
    relay.stop().await;
}

/// Slow is not dead.
#[tokio::test]
async fn an_event_that_takes_longer_than_the_idle_limit_is_not_claimed_by_another_reader() {
    let world = World::new(1).await;
    let relay = world.relay();
    let slow = world.tally_as(SHARED).await;
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    let other = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    world.add_many(4, 3).await;

    let before = delivery(&world, 1).await.unwrap();
    let started = Instant::now();
    eventually(LIMIT, || async { started.elapsed() > Duration::from_secs(12) }).await;
    assert_eq!(delivery(&world, 1).await.unwrap(), before);
    world.handler_waits().await.unwrap();
    lock.rollback().await.unwrap();
    eventually(LIMIT, || once(&world)).await;
    slow.stop().await;
    other.terminate().await;
    relay.stop().await;
}

#[tokio::test]
async fn what_a_killed_reader_had_in_hand_is_claimed_by_another() {
    let world = World::new(1).await;
    let relay = world.relay();
    let doomed = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    let other = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    doomed.kill().await;
    lock.rollback().await.unwrap();
    eventually(LIMIT, || once(&world)).await;
    other.terminate().await;
    relay.stop().await;
}

/// Redis looks at a part of the list at a time, and may find nothing to claim there.
#[tokio::test]
async fn idle_entries_behind_many_that_are_not_are_claimed() {
    let world = World::new(1).await;
    let relay = world.relay();
    let many: Vec<CounterEvent> = vec![CounterEvent::Added { amount: 1 }; 1_000];
    world
        .counters()
        .execute::<std::convert::Infallible>(id(1), Expected::Any, &Metadata::default(), |_| {
            Ok(many.clone())
        })
        .await
        .unwrap();
    eventually(LIMIT, || world.published()).await;
    let key = stream_key(Service::Post, 0);
    let () = world.redis.command(&["XGROUP", "CREATE", &key, GROUP, "0"]).await.unwrap();
    let read = ["XREADGROUP", "GROUP", GROUP, "elsewhere", "COUNT", "1000", "STREAMS", &key, ">"];
    let _: Value = world.redis.command(&read).await.unwrap();
    let busy: Vec<String> = (1..=900).map(|sequence| format!("{sequence}-0")).collect();
    let mut beat = vec!["XCLAIM", &key, GROUP, "elsewhere", "0"];
    beat.extend(busy.iter().map(String::as_str));
    beat.push("JUSTID");

    let tally = world.tally_as(SHARED).await;
    eventually(LIMIT, || async {
        let _: Value = world.redis.command(&beat).await?;
        let effects = "SELECT count(*) FROM engagement.tally_log WHERE version > 900";
        let effects = world.number(effects).await?;
        ensure!(effects == 100, "{effects} of the idle ones took effect");
        Ok(())
    })
    .await;
    let early = "SELECT count(*) FROM engagement.tally_log WHERE version <= 900";
    assert_eq!(world.number(early).await.unwrap(), 0);
    // And those whose reader fell silent after all.
    eventually(LIMIT, || once(&world)).await;
    tally.stop().await;
    relay.stop().await;
}

/// A reader removed by hand takes with it what it was given: nobody is given that again.
#[tokio::test]
async fn events_of_a_reader_that_was_removed_by_hand_take_effect_all_the_same() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(3, 3).await;
    eventually(LIMIT, || world.published()).await;
    let key = stream_key(Service::Post, 0);
    let () = world.redis.command(&["XGROUP", "CREATE", &key, GROUP, "0"]).await.unwrap();
    let read = ["XREADGROUP", "GROUP", GROUP, "elsewhere", "COUNT", "4", "STREAMS", &key, ">"];
    let _: Value = world.redis.command(&read).await.unwrap();
    let removed: i64 =
        world.redis.command(&["XGROUP", "DELCONSUMER", &key, GROUP, "elsewhere"]).await.unwrap();
    assert_eq!(removed, 4);

    let tally = world.tally_as(SHARED).await;
    eventually(LIMIT, || once(&world)).await;
    tally.stop().await;
    relay.stop().await;
}

/// Redis goes on where it was, and gives what came before to nobody.
#[tokio::test]
async fn a_shared_group_that_was_set_back_goes_on_from_there_at_once() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(SHARED).await);
    world.add_at_once(10, 100).await;
    eventually(LIMIT, || once(&world)).await;
    let (producer, _) = world.site(Service::Post).await;
    let (site, order) = world.site(Service::Engagement).await;
    groups::pause(&site, &order, GROUP).await.unwrap();
    let back = || seek::seek(&site, &producer, &order, GROUP, None, Target::Sequence(0));
    let refused = back().await.unwrap_err().to_string();
    assert!(refused.contains("still works for"), "{refused}");

    eventually(LIMIT, || async { back().await.is_ok() }).await;
    world.db.execute_unprepared("TRUNCATE tally, tally_log").await.unwrap();
    groups::resume(&site, &order, GROUP).await.unwrap();
    eventually(LIMIT, || once(&world)).await;
    tally.stop().await;
    relay.stop().await;
}

/// The inbox is what a group that is set back goes by: it must not keep what the watermark knows.
#[tokio::test]
async fn events_delivered_again_after_they_took_effect_leave_nothing_in_the_inbox() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(SHARED).await);
    world.add_at_once(10, 20).await;
    eventually(LIMIT, || once(&world)).await;
    let key = stream_key(Service::Post, 0);
    let () = world.redis.command(&["XGROUP", "SETID", &key, GROUP, "0"]).await.unwrap();
    eventually(LIMIT, || async {
        let delivered = "SELECT n_tup_ins FROM pg_stat_user_tables
          WHERE schemaname = 'engagement' AND relname = 'inbox'";
        let written = world.number(delivered).await?;
        ensure!(written >= 400, "{written} numbers written into the inbox");
        Ok(())
    })
    .await;
    eventually(LIMIT, || once(&world)).await;
    tally.stop().await;
    relay.stop().await;
}

/// A failing event is parked alone: nothing waits behind it.
#[tokio::test]
async fn a_poisoned_event_of_a_shared_group_is_parked_alone() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(SHARED).await);
    world.add(id(1), POISON).await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || async {
        let effects = world.number("SELECT count(*) FROM engagement.tally_log").await?;
        ensure!(effects == 6, "{effects} effects");
        ensure!(world.watermark(0).await? == 7, "the watermark waits");
        Ok(())
    })
    .await;
    let parked = park::list(&world.db, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
    world.db.execute_unprepared("UPDATE parked_event SET retry_at = now()").await.unwrap();
    eventually(LIMIT, || once(&world)).await;
    tally.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn an_event_that_ends_its_readers_is_parked_and_everything_else_flows() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(3, 2).await;
    world.add(id(4), ABORT).await;
    world.add_many(3, 2).await;
    let mut crashes = 0;
    let survivor = loop {
        let worker = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
        match worker.ends_by_itself().await {
            Ok(()) => crashes += 1,
            Err(alive) => break alive,
        }
        assert!(crashes < 12, "it is tried for ever");
    };
    eventually(LIMIT, || once_but(&world, 4)).await;
    let parked = park::list(&world.db, 10).await.unwrap().remove(0);
    assert_eq!((parked.sequence, parked.reason.as_str()), (7, "crash_loop"));
    assert!((5..=8).contains(&crashes), "{crashes} crashes");
    survivor.terminate().await;
    relay.stop().await;
}

/// All of it at once: readers are killed, connections break, and Redis forgets everything.
#[tokio::test]
async fn shared_groups_apply_everything_once_while_readers_are_killed_and_redis_forgets() {
    let world = World::new(2).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay();
    let mut readers = vec![
        Worker::variant(&world, "tally-shared", proxy.url()).await,
        Worker::variant(&world, "tally-shared", &world.redis.url()).await,
    ];
    for round in 0..4_u32 {
        let writer = Worker::append(&world, &world.redis.url(), 12, 1_000_000).await;
        let (started, enough) = (Instant::now(), i64::from(round + 1) * 40);
        let pause = Duration::from_millis(150 + u64::from(round) * 37);
        eventually(LIMIT, || async {
            let events = world.number("SELECT count(*) FROM post.event").await.unwrap();
            started.elapsed() > pause && events > enough
        })
        .await;
        proxy.sever();
        readers.remove(0).kill().await;
        if round == 1 {
            world.redis.flushall().await.unwrap();
        }
        readers.push(Worker::variant(&world, "tally-shared", proxy.url()).await);
        writer.kill().await;
    }
    eventually(LIMIT, || once(&world)).await;
    for reader in readers {
        reader.terminate().await;
    }
    relay.stop().await;
}

/// Every event of the store took effect once, whichever partition it was in.
async fn each_once(world: &World) -> Result<()> {
    let wrong = world
        .number(
            "SELECT count(*) FROM post.event e FULL JOIN (
               SELECT counter_id, version, count(*) AS times FROM engagement.tally_log GROUP BY 1, 2) l
               ON (e.aggregate_id, e.aggregate_version) = (l.counter_id, l.version)
               WHERE e.id IS NULL OR l.times IS DISTINCT FROM 1",
        )
        .await?;
    ensure!(wrong == 0, "{wrong} events took effect more or less than once");
    Ok(())
}

/// F30 for readers without order: what they have in hand when a generation ends counts once, and so does the next one.
#[tokio::test]
async fn shared_groups_follow_the_generations_and_each_event_counts_once() {
    let world = World::new(2).await;
    let doomed = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    let survivor = Worker::variant(&world, "tally-shared", &world.redis.url()).await;
    let mut producer = Worker::append(&world, &world.redis.url(), 9, 60).await;
    let applied = "SELECT count(*) FROM engagement.tally_log";
    eventually(LIMIT, || async { world.number(applied).await.unwrap() > 50 }).await;
    // One event is in hand over both changes.
    let lock = world.lock().await;
    world.add(id(100), LOCKED).await;
    epoch::repartition(&world.post, world.redis.client(), 5).await.unwrap();
    doomed.kill().await;
    let spread = "SELECT count(DISTINCT partition) FROM post.publication";
    eventually(LIMIT, || async { world.number(spread).await.unwrap() == 5 }).await;
    epoch::repartition(&world.post, world.redis.client(), 1).await.unwrap();
    lock.rollback().await.unwrap();
    producer.says("done").await;

    eventually(LIMIT, || each_once(&world)).await;
    world.add_many(9, 1).await;
    eventually(LIMIT, || each_once(&world)).await;
    eventually(LIMIT, || async {
        let behind = "SELECT count(*) FROM engagement.watermark WHERE stream_epoch <> 3";
        ensure!(world.number(behind).await? == 0, "not all of the group is in the last generation");
        let left = world.number("SELECT count(*) FROM engagement.inbox").await?;
        ensure!(left == 0, "{left} rows in the inbox");
        Ok(())
    })
    .await;
    assert_eq!(world.number("SELECT count(*) FROM engagement.parked_event").await.unwrap(), 0);
    survivor.terminate().await;
    producer.terminate().await;
}
