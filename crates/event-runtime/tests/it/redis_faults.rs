//! Redis dies, forgets, refuses, and goes silent.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::join_all;
use shared_schemas::Service;
use test_kit::{Fault, FaultProxy, eventually, stream_key};

use crate::{
    counter::GROUP,
    world::{LIMIT, World, id},
};

/// F13: killed and started again with its log.
#[tokio::test]
async fn a_restart_of_redis_loses_and_repeats_nothing() {
    let mut world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;

    world.redis.kill().await.unwrap();
    world.add_many(3, 5).await;
    world.redis.restart().await.unwrap();
    let up = Instant::now();
    eventually(LIMIT, || world.settled()).await;
    assert!(up.elapsed() < Duration::from_secs(6), "{:?}", up.elapsed());
    relay.stop().await;
    tally.stop().await;
}

/// F14: the machine crashed and the end of the log is gone, or a stale replica was promoted.
#[tokio::test]
async fn a_stream_that_lost_its_tail_gets_it_back_from_the_store() {
    let mut world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(3, 30).await;
    eventually(LIMIT, || world.settled()).await;

    world.redis.kill().await.unwrap();
    world.redis.truncate_aof().unwrap();
    world.redis.restart().await.unwrap();
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F15: everything is gone, under an owner that waits for news.
#[tokio::test]
async fn streams_and_groups_come_back_after_redis_forgot_them() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    let key = stream_key(Service::Post, 0);
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;

    for forget in [vec!["FLUSHALL"], vec!["DEL", &key], vec!["XGROUP", "DESTROY", &key, GROUP]] {
        let _: fred::types::Value = world.redis.command(&forget).await.unwrap();
        // Without any news, and with them.
        eventually(LIMIT, || async {
            ensure!(world.pending(0).await? == 0, "not acknowledged");
            world.settled().await
        })
        .await;
        world.add_many(3, 2).await;
        eventually(LIMIT, || world.settled()).await;
    }

    // What everybody has read may go without harm.
    let _: u64 = world.redis.command(&["XTRIM", &key, "MAXLEN", "0"]).await.unwrap();
    world.add_many(3, 2).await;
    eventually(LIMIT, || world.applied()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F15: the same while events flow.
#[tokio::test]
async fn nothing_is_lost_when_redis_forgets_while_events_flow() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    let key = stream_key(Service::Post, 0);

    for round in 0..6 {
        world.add_many(5, 6).await;
        if round % 2 == 0 {
            world.redis.flushall().await.unwrap();
        } else {
            let _: u64 =
                world.redis.command(&["XGROUP", "DESTROY", &key, GROUP]).await.unwrap_or(0);
        }
        world.add_many(5, 6).await;
    }
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F16: nobody can fill the stream again yet.
#[tokio::test]
async fn a_consumer_waits_for_the_producer_after_redis_forgot_everything() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(2, 5).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;

    world.redis.flushall().await.unwrap();
    world.add_many(2, 5).await;
    let watermark = world.watermark(0).await.unwrap();
    // The group is back, at what it knows.
    let delivered = eventually(LIMIT, || world.delivered(0)).await;
    assert_eq!(delivered, format!("{watermark}-0"));
    assert_eq!(world.watermark(0).await.unwrap(), watermark);

    let relay = world.relay();
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F19: no error of Redis becomes a hot loop, and all of them end when Redis is well again.
#[tokio::test(flavor = "multi_thread")]
async fn errors_of_redis_are_met_with_fewer_than_five_commands_a_second() {
    let errors = [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist on disk.",
        "NOAUTH Authentication required.",
        "NOPERM this user has no permissions to run the 'xreadgroup' command",
        "BUSY Redis is busy running a script.",
        "CLUSTERDOWN The cluster is down",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "MOVED 3999 127.0.0.1:1",
        "ERR max number of clients reached",
    ];
    for errors in errors.chunks(5) {
        join_all(errors.iter().copied().map(errors_are_met_with_patience)).await;
    }
}

async fn errors_are_met_with_patience(error: &'static str) {
    let world = World::new(1).await;
    let relays = FaultProxy::start(&world.redis.url()).await.unwrap();
    let owners = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay_via(relays.url());
    let tally = world.tally_via(owners.url(), &world.engagement_url).await;
    world.add_many(2, 2).await;
    eventually(LIMIT, || world.settled()).await;

    let load = || [&relays, &owners].map(|proxy| (proxy.commands(), proxy.accepted()));
    let (started, before) = (Instant::now(), load());
    relays.set(Fault::Answer(error));
    owners.set(Fault::Answer(error));
    world.add_many(2, 2).await;
    // Long enough to see a loop, for the first few tries of every part of a process come quickly; and until both have
    // tried: they may have been patient already.
    eventually(LIMIT, || async {
        let have_tried = load().iter().zip(&before).all(|(now, before)| now.0 > before.0);
        have_tried && started.elapsed() > Duration::from_secs(9)
    })
    .await;
    let (seconds, after) = (started.elapsed().as_secs(), load());
    for (who, (after, before)) in ["relay", "consumer"].iter().zip(after.into_iter().zip(before)) {
        let (commands, connections) = (after.0 - before.0, after.1 - before.1);
        let load = format!(
            "{error}: {commands} commands and {connections} connections of the {who} in {seconds} s"
        );
        assert!(commands < 5 * seconds && connections < 5 * seconds, "{load}");
    }

    relays.set(Fault::None);
    owners.set(Fault::None);
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F19: the connection is refused; and a script cache that is empty after a restart is no error at all.
#[tokio::test]
async fn a_redis_that_refuses_connections_is_waited_for() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    proxy.set(Fault::Refuse);
    let relay = world.relay_via(proxy.url());
    let tally = world.tally_via(proxy.url(), &world.engagement_url).await;
    world.add_many(2, 5).await;
    eventually(LIMIT, || async { proxy.accepted() >= 4 }).await;

    proxy.set(Fault::None);
    let () = world.redis.command(&["SCRIPT", "FLUSH"]).await.unwrap();
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F20: connections that are open and dead, as after a firewall forgot them.
#[tokio::test]
async fn silent_connections_are_replaced_within_seconds() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay_via(proxy.url());
    let tally = world.tally_via(proxy.url(), &world.engagement_url).await;
    world.add_many(2, 5).await;
    eventually(LIMIT, || world.settled()).await;

    proxy.set(Fault::BlackHole);
    // Everybody has said something into the hole.
    world.add_many(2, 1).await;
    let started = Instant::now();
    eventually(LIMIT, || async { started.elapsed() > Duration::from_millis(700) }).await;
    proxy.set(Fault::None);
    world.add_many(2, 5).await;
    let healed = Instant::now();
    eventually(LIMIT, || world.settled()).await;
    assert!(healed.elapsed() < Duration::from_secs(6), "{:?}", healed.elapsed());
    relay.stop().await;
    tally.stop().await;
}

/// F20: a slow network, and one that resets connections all the time.
#[tokio::test]
async fn slow_and_breaking_connections_cost_time_and_nothing_else() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay_via(proxy.url());
    let tally = world.tally_via(proxy.url(), &world.engagement_url).await;
    proxy.set(Fault::Delay(Duration::from_millis(200)));
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;

    proxy.set(Fault::None);
    for _ in 0..20 {
        world.add_many(3, 2).await;
        proxy.sever();
    }
    eventually(LIMIT, || async {
        world.settled().await?;
        ensure!(world.pending(0).await? == 0, "not acknowledged");
        Ok(())
    })
    .await;
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}
