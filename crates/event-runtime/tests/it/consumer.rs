//! Consuming: every event takes effect once, in order, whatever happens to its owner.

use std::time::{Duration, Instant};

use anyhow::ensure;
use fred::types::Value;
use shared_schemas::Service;
use test_kit::{Fault, FaultProxy, eventually, stream_key};

use crate::{
    counter::{GROUP, LOCKED},
    process::Worker,
    world::{LIMIT, World, id},
};

/// The lease of a killed owner ends after 3 s, and others ask all the time.
const TAKEOVER: Duration = Duration::from_secs(4);

/// F6: the transaction of a killed process never happened.
#[tokio::test]
async fn an_event_whose_owner_is_killed_before_the_commit_takes_effect_once() {
    let world = World::new(1).await;
    let relay = world.relay();
    let worker = Worker::tally(&world, &world.redis.url()).await;
    let lock = world.lock().await;
    world.add_many(1, 3).await;
    world.add(id(1), LOCKED).await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.handler_waits()).await;

    worker.kill().await;
    lock.rollback().await.unwrap();
    let worker = Worker::tally(&world, &world.redis.url()).await;
    eventually(LIMIT, || world.settled()).await;
    worker.terminate().await;
    relay.stop().await;
}

/// F7: the effect is committed and the acknowledgement is lost with the process.
#[tokio::test]
async fn an_event_whose_owner_is_killed_before_the_acknowledgement_takes_effect_once() {
    let world = World::new(1).await;
    let relay = world.relay();
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let worker = Worker::tally(&world, proxy.url()).await;
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;

    proxy.set(Fault::BlackHole);
    lock.rollback().await.unwrap();
    eventually(LIMIT, || world.applied()).await;
    assert_eq!(world.pending(0).await.unwrap(), 1, "the acknowledgement arrived");
    worker.kill().await;

    let worker = Worker::tally(&world, &world.redis.url()).await;
    eventually(LIMIT, || async { world.pending(0).await.unwrap() == 0 }).await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;
    worker.terminate().await;
    relay.stop().await;
}

/// F8: a batch that was on its way to the database while another process took over.
#[tokio::test]
async fn a_batch_that_arrives_after_the_takeover_changes_nothing() {
    let world = World::new(1).await;
    let relay = world.relay();
    let proxy = FaultProxy::start(&world.engagement_url).await.unwrap();
    let late = world.tally_via(&world.redis.url(), proxy.url()).await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;

    proxy.set(Fault::HoldRequests);
    world.add_many(2, 3).await;
    eventually(LIMIT, || async { world.pending(0).await.unwrap() > 0 }).await;
    let successor = world.tally().await;
    eventually(LIMIT, || world.settled()).await;
    world.add_many(2, 3).await;
    proxy.set(Fault::None);
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;

    // The late owner has found out, and takes over in its turn.
    successor.stop().await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    late.stop().await;
}

/// F8: a process that sleeps in the middle of a transaction holds rows that its successor needs.
#[tokio::test]
async fn an_owner_stopped_in_the_middle_of_a_transaction_does_not_stop_its_successor() {
    let world = World::new(1).await;
    let relay = world.relay();
    let stopped = Worker::tally(&world, &world.redis.url()).await;
    let lock = world.lock().await;
    world.add_many(2, 3).await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;

    stopped.stop();
    lock.rollback().await.unwrap();
    let successor = Worker::tally(&world, &world.redis.url()).await;
    eventually(LIMIT, || world.settled()).await;
    stopped.proceed();
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;
    successor.terminate().await;
    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;
    stopped.terminate().await;
    relay.stop().await;
}

/// F9: slow is not dead.
#[tokio::test]
async fn an_owner_slower_than_its_lease_keeps_its_partition() {
    let world = World::new(1).await;
    let relay = world.relay();
    let slow = world.tally().await;
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    let other = world.tally().await;

    let started = Instant::now();
    eventually(LIMIT, || async { started.elapsed() > TAKEOVER }).await;
    lock.rollback().await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    let epoch = world.number("SELECT max(epoch) FROM engagement.lease").await.unwrap();
    assert_eq!(epoch, 1, "somebody else took the partition");
    relay.stop().await;
    slow.stop().await;
    other.stop().await;
}

/// F32: entries that come again, however late, are recognised by their numbers.
#[tokio::test]
async fn a_whole_stream_delivered_again_changes_nothing() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(3, 20).await;
    eventually(LIMIT, || world.settled()).await;

    let key = stream_key(Service::Post, 0);
    let () = world.redis.command(&["XGROUP", "SETID", &key, GROUP, "0"]).await.unwrap();
    eventually(LIMIT, || async {
        let delivered = world.delivered(0).await?;
        ensure!(delivered == "60-0", "delivered up to {delivered}");
        ensure!(world.pending(0).await? == 0, "not acknowledged");
        Ok(())
    })
    .await;
    world.add_many(3, 1).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F29: a long list of entries that were delivered and never acknowledged.
#[tokio::test]
async fn a_long_list_of_unacknowledged_entries_is_worked_off() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(10, 60).await;
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    world.add_many(10, 60).await;
    eventually(LIMIT, || world.published()).await;
    let key = stream_key(Service::Post, 0);
    let () = world.redis.command(&["XGROUP", "SETID", &key, GROUP, "0"]).await.unwrap();
    let read = ["XREADGROUP", "GROUP", GROUP, "owner", "COUNT", "1200", "STREAMS", &key, ">"];
    let _: Value = world.redis.command(&read).await.unwrap();
    assert_eq!(world.pending(0).await.unwrap(), 1_200);

    let tally = world.tally().await;
    eventually(LIMIT, || async {
        world.settled().await?;
        ensure!(world.pending(0).await? == 0, "not acknowledged");
        Ok(())
    })
    .await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn two_replicas_share_the_partitions_and_one_takes_over_within_four_seconds() {
    let world = World::new(4).await;
    let relay = world.relay();
    let one = Worker::tally(&world, &world.redis.url()).await;
    world.add_many(8, 3).await;
    eventually(LIMIT, || world.settled()).await;
    let other = Worker::tally(&world, &world.redis.url()).await;

    eventually(LIMIT, || async {
        let fewest = "SELECT min(count) FROM (SELECT count(*) FROM engagement.lease
                        WHERE expires_at > now() GROUP BY owner) held";
        let owners = "SELECT count(DISTINCT owner) FROM engagement.lease WHERE expires_at > now()";
        let (fewest, owners) = (world.number(fewest).await?, world.number(owners).await?);
        ensure!((fewest, owners) == (2, 2), "{owners} owners, one of {fewest}");
        world.add_many(8, 1).await;
        Ok(())
    })
    .await;
    eventually(LIMIT, || world.settled()).await;

    one.kill().await;
    world.add_many(8, 3).await;
    let killed = Instant::now();
    eventually(LIMIT, || world.settled()).await;
    assert!(killed.elapsed() < TAKEOVER, "{:?}", killed.elapsed());
    other.terminate().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_replica_that_stops_hands_over_at_once() {
    let world = World::new(2).await;
    let relay = world.relay();
    let one = world.tally().await;
    world.add_many(4, 3).await;
    eventually(LIMIT, || world.settled()).await;
    let other = world.tally().await;

    one.stop().await;
    world.add_many(4, 3).await;
    let stopped = Instant::now();
    eventually(LIMIT, || world.settled()).await;
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    other.stop().await;
    relay.stop().await;
}

/// A process that stops does not wait for its blocked read, and the next owner does not wait for the lease to end, nor for
/// its next round: `cargo xtask bench events --only recovery` says how long that takes when the machine has nothing else to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_changes_hands_when_its_owner_stops_and_not_when_a_clock_says_so() {
    let world = World::new(1).await;
    let relay = world.relay();
    let mut owner = world.tally().await;
    world.add_many(2, 2).await;
    eventually(LIMIT, || world.settled()).await;

    let mut waits = Vec::new();
    for round in 1..8 {
        let successor = world.tally().await;
        let replicas = "SELECT count(*) FROM engagement.replica WHERE expires_at > now()";
        eventually(LIMIT, || async { world.number(replicas).await.unwrap() == 2 }).await;
        let epoch = world.number("SELECT epoch FROM engagement.watermark").await.unwrap();

        let stopping = Instant::now();
        let watch = async {
            let entered =
                format!("SELECT count(*) FROM engagement.watermark WHERE epoch > {epoch}");
            while world.number(&entered).await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
            stopping.elapsed()
        };
        let (entered, _) = tokio::join!(watch, owner.stop());
        waits.push(entered);
        world.add(id(1), round).await;
        eventually(LIMIT, || world.settled()).await;
        owner = successor;
    }
    // A blocked read lasts a second, a lease three: whoever waited for one would take longer every second time.
    waits.sort();
    assert!(waits[waits.len() / 2] < Duration::from_millis(700), "{waits:?}");
    owner.stop().await;
    relay.stop().await;
}

/// All of it at once: writers, relays and owners are killed while the connections to Redis break.
#[tokio::test]
async fn effects_happen_once_and_in_order_while_processes_are_killed_at_random() {
    let world = World::new(2).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let mut relays = vec![Worker::relay(&world, proxy.url()).await];
    let mut tallies = vec![
        Worker::tally(&world, proxy.url()).await,
        Worker::tally(&world, &world.redis.url()).await,
    ];
    for round in 0..6_u32 {
        let writer = Worker::append(&world, proxy.url(), 8, 1_000_000).await;
        // Different points of the work in every round, and in every run.
        let pause = Duration::from_millis(150 + u64::from(round) * 37);
        let started = Instant::now();
        let enough = i64::from(round + 1) * 20;
        eventually(LIMIT, || async {
            let events = world.number("SELECT count(*) FROM post.event").await.unwrap();
            started.elapsed() > pause && events > enough
        })
        .await;
        proxy.sever();
        tallies.remove(0).kill().await;
        relays.remove(0).kill().await;
        tallies.push(Worker::tally(&world, proxy.url()).await);
        relays.push(Worker::relay(&world, proxy.url()).await);
        writer.kill().await;
    }

    eventually(LIMIT, || world.settled()).await;
    let events = world.number("SELECT count(*) FROM post.event").await.unwrap();
    assert!(events > 100, "{events} events");
    for worker in relays.into_iter().chain(tallies) {
        worker.terminate().await;
    }
}
