//! Lanes: transactions of one partition side by side, each event in effect once, each aggregate in order.

use std::time::{Duration, Instant};

use anyhow::ensure;
use event_runtime::{Concurrency, Expected};
use shared_schemas::envelope::Metadata;
use test_kit::{FaultProxy, eventually};

use crate::{
    counter::{CounterEvent, GROUP, LOCKED, POISON, Variant},
    process::Worker,
    world::{LIMIT, World, id},
};

const LANES: Variant = Variant {
    concurrency: Concurrency::Lanes(4),
    knows_v2: false,
    categories: &[],
    linger: Duration::ZERO,
};

/// The watermark has come to the end, and nothing is left of the way there.
async fn compacted(world: &World, events: i64) -> anyhow::Result<()> {
    let watermark = world.watermark(0).await?;
    ensure!(watermark == events, "watermark {watermark} of {events}");
    let inbox = world.number("SELECT count(*) FROM engagement.inbox").await?;
    ensure!(inbox == 0, "{inbox} rows in the inbox");
    ensure!(world.pending(0).await? == 0, "not acknowledged");
    Ok(())
}

#[tokio::test]
async fn lanes_keep_the_order_of_every_aggregate_and_leave_no_inbox_behind() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(LANES).await);
    world.add_many(12, 20).await;
    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || compacted(&world, 240)).await;
    relay.stop().await;
    tally.stop().await;
}

/// A lane that waits holds up its own aggregates; the others go on, and the watermark stays before what is not done.
#[tokio::test]
async fn a_slow_aggregate_holds_up_its_lane_and_no_other() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(LANES).await);
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    world.add_many(12, 5).await;

    // Twelve counters in four lanes: most of them are not in the lane that waits.
    eventually(LIMIT, || async {
        let counters = "SELECT count(*) FROM engagement.tally WHERE version = 5";
        let done = world.number(counters).await?;
        ensure!(done >= 6, "{done} counters are complete");
        Ok(())
    })
    .await;
    assert_eq!(world.watermark(0).await.unwrap(), 0);
    assert!(world.number("SELECT count(*) FROM engagement.inbox").await.unwrap() >= 30);

    lock.rollback().await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || compacted(&world, 61)).await;
    relay.stop().await;
    tally.stop().await;
}

/// What took effect ahead of the watermark is known to the next owner.
#[tokio::test]
async fn an_owner_killed_with_lanes_ahead_of_the_watermark_repeats_nothing() {
    let world = World::new(1).await;
    let relay = world.relay();
    let worker = Worker::variant(&world, "tally-lanes", &world.redis.url()).await;
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    world.add_many(12, 5).await;
    eventually(LIMIT, || async {
        world.number("SELECT count(*) FROM engagement.inbox").await.unwrap() >= 30
    })
    .await;

    worker.kill().await;
    lock.rollback().await.unwrap();
    let worker = Worker::variant(&world, "tally-lanes", &world.redis.url()).await;
    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || compacted(&world, 61)).await;
    worker.terminate().await;
    relay.stop().await;
}

/// A former owner's lanes cannot write any more, and its successor waits for those that are writing.
#[tokio::test]
async fn a_lane_stopped_in_the_middle_of_a_transaction_does_no_harm_when_it_goes_on() {
    let world = World::new(1).await;
    let relay = world.relay();
    let stopped = Worker::variant(&world, "tally-lanes", &world.redis.url()).await;
    let lock = world.lock().await;
    world.add_many(8, 3).await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;

    stopped.stop();
    lock.rollback().await.unwrap();
    let successor = Worker::variant(&world, "tally-lanes", &world.redis.url()).await;
    eventually(LIMIT, || world.settled()).await;
    stopped.proceed();
    world.add_many(8, 3).await;
    eventually(LIMIT, || world.settled()).await;
    successor.terminate().await;
    world.add_many(8, 3).await;
    eventually(LIMIT, || world.settled()).await;
    stopped.terminate().await;
    relay.stop().await;
}

/// A transaction whose commit came to nothing without an error: nobody but the database knows.
#[tokio::test]
async fn the_watermark_never_passes_an_event_that_is_not_written() {
    use sea_orm::ConnectionTrait as _;
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(LANES).await);
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    world.add_many(12, 5).await;
    let complete = "SELECT count(*) FROM engagement.tally WHERE version = 5";
    eventually(LIMIT, || async { world.number(complete).await.unwrap() >= 1 }).await;

    let undo = "
        WITH lost AS (SELECT counter_id FROM tally WHERE version = 5 LIMIT 1),
             log AS (DELETE FROM tally_log l USING lost
                       WHERE (l.counter_id, l.version) = (lost.counter_id, 5)),
             total AS (UPDATE tally t SET total = total - 5, version = 4 FROM lost
                         WHERE t.counter_id = lost.counter_id)
        DELETE FROM inbox USING lost, post.event e JOIN post.publication p USING (position)
          WHERE (e.aggregate_id, e.aggregate_version) = (lost.counter_id, 5) AND inbox.sequence = p.sequence";
    assert_eq!(world.db.execute_unprepared(undo).await.unwrap().rows_affected(), 1);
    lock.rollback().await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || compacted(&world, 61)).await;
    relay.stop().await;
    tally.stop().await;
}

/// A handler may declare more or less concurrency from one build to the next.
#[tokio::test]
async fn an_inbox_left_by_lanes_is_understood_by_a_serial_owner() {
    let world = World::new(1).await;
    let relay = world.relay();
    let worker = Worker::variant(&world, "tally-lanes", &world.redis.url()).await;
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    world.add_many(12, 5).await;
    eventually(LIMIT, || async {
        world.number("SELECT count(*) FROM engagement.inbox").await.unwrap() >= 30
    })
    .await;
    worker.kill().await;
    lock.rollback().await.unwrap();

    let tally = world.tally().await;
    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || compacted(&world, 61)).await;
    world.add_many(2, 2).await;
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_poisoned_aggregate_is_parked_in_its_lane_and_mended_in_order() {
    use sea_orm::ConnectionTrait as _;
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally_as(LANES).await);
    world.add_many(6, 2).await;
    world.add(id(1), POISON).await;
    world.add_many(6, 3).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;
    eventually(LIMIT, || async {
        world.number("SELECT count(*) FROM engagement.parked_event").await.unwrap() == 4
    })
    .await;
    eventually(LIMIT, || compacted(&world, 31)).await;

    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
    let (redriven, ()) =
        tokio::join!(tally.runtime.redrive(GROUP, Some(id(1))), world.add_many(6, 2));
    assert!(!redriven.unwrap().failed_again);
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// Reading stops when as much is in hand as may be, so that a crash redelivers no more and Redis remembers no more.
#[tokio::test]
async fn no_more_is_delivered_than_the_owner_has_credits_for() {
    let world = World::new(1).await;
    let relay = world.relay();
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    // In one go, since that many commits take their time.
    let many: Vec<CounterEvent> =
        (1..=1_300).map(|amount| CounterEvent::Added { amount: amount % 100 }).collect();
    world
        .counters()
        .execute::<std::convert::Infallible>(id(1), Expected::Any, &Metadata::default(), |_| {
            Ok(many.clone())
        })
        .await
        .unwrap();
    eventually(LIMIT, || world.published()).await;
    let tally = world.tally().await;
    eventually(LIMIT, || world.handler_waits()).await;

    let (started, mut most) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(2) {
        most = most.max(world.pending(0).await.unwrap());
    }
    assert!((256..=1_024).contains(&most), "{most} entries are pending");
    lock.rollback().await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    relay.stop().await;
}

/// All of it at once, with lanes.
#[tokio::test]
async fn lanes_apply_everything_once_and_in_order_while_their_owners_are_killed_at_random() {
    let world = World::new(2).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay();
    let mut tallies = vec![
        Worker::variant(&world, "tally-lanes", proxy.url()).await,
        Worker::variant(&world, "tally-lanes", &world.redis.url()).await,
    ];
    for round in 0..5_u32 {
        let writer = Worker::append(&world, &world.redis.url(), 12, 1_000_000).await;
        let pause = Duration::from_millis(150 + u64::from(round) * 37);
        let (started, enough) = (Instant::now(), i64::from(round + 1) * 40);
        eventually(LIMIT, || async {
            let events = world.number("SELECT count(*) FROM post.event").await.unwrap();
            started.elapsed() > pause && events > enough
        })
        .await;
        proxy.sever();
        tallies.remove(0).kill().await;
        tallies.push(Worker::variant(&world, "tally-lanes", proxy.url()).await);
        writer.kill().await;
    }
    eventually(LIMIT, || world.settled()).await;
    for worker in tallies {
        worker.terminate().await;
    }
    relay.stop().await;
}
