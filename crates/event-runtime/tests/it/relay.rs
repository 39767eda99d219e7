//! Publishing: everything, once, in order, whatever happens to the relay.

use std::time::{Duration, Instant};

use fred::interfaces::LuaInterface;
use shared_schemas::Service;
use test_kit::{Fault, FaultProxy, eventually, stream_key};

use crate::{
    process::Worker,
    world::{LIMIT, World, id},
};

/// F1: what was committed before the process died is published by the next one.
#[tokio::test]
async fn events_of_a_process_killed_before_it_published_are_published_by_the_next() {
    let world = World::new(2).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    proxy.set(Fault::BlackHole);
    let mut worker = Worker::append(&world, proxy.url(), 4, 10).await;
    worker.says("done").await;
    worker.kill().await;
    assert_eq!(world.entries(0).await.unwrap(), []);

    let relay = world.relay();
    eventually(LIMIT, || world.published()).await;
    assert_eq!(world.number("SELECT count(*) FROM post.publication").await.unwrap(), 40);
    relay.stop().await;
}

/// F2: Redis has the batch and the relay does not know.
#[tokio::test]
async fn a_relay_killed_before_the_reply_leaves_a_stream_that_the_next_one_continues() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let worker = Worker::append(&world, proxy.url(), 4, 1_000_000).await;
    eventually(LIMIT, || async { world.entries(0).await.unwrap().len() > 50 }).await;

    // A busy relay sends nothing but batches; one that has just been idle asks for the end of the stream first.
    loop {
        proxy.set(Fault::DropReplies);
        let (before, lost) = (scripts(&world).await, Instant::now());
        let has_batch = eventually(LIMIT, || async {
            let has_batch = scripts(&world).await > before;
            (has_batch || lost.elapsed() > Duration::from_secs(1)).then_some(has_batch)
        })
        .await;
        if has_batch {
            break;
        }
        proxy.set(Fault::None);
        proxy.sever();
        eventually(LIMIT, || async { scripts(&world).await > before + 1 }).await;
    }
    worker.kill().await;

    let relay = world.relay();
    world.add(id(9), 1).await;
    eventually(LIMIT, || world.published()).await;
    relay.stop().await;
}

/// F2: the same with a relay that lives on.
#[tokio::test]
async fn a_relay_that_lost_a_reply_publishes_nothing_twice() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let relay = world.relay_via(proxy.url());
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.published()).await;

    for round in 1..=3 {
        proxy.set(Fault::DropReplies);
        world.add_many(2, 5).await;
        proxy.set(Fault::None);
        proxy.sever();
        eventually(LIMIT, || world.published()).await;
        assert_eq!(world.entries(0).await.unwrap().len(), 1 + round * 10);
    }
    relay.stop().await;
}

/// F3: a batch that was on its way while another relay published the same events.
#[tokio::test]
async fn a_batch_that_arrives_after_another_relay_published_it_is_refused() {
    let world = World::new(1).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let late = world.relay_via(proxy.url());
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.published()).await;

    proxy.set(Fault::HoldRequests);
    world.add_many(1, 5).await;
    let relay = world.relay();
    eventually(LIMIT, || world.published()).await;
    world.add_many(1, 5).await;
    eventually(LIMIT, || world.published()).await;
    let scripts = scripts(&world).await;
    proxy.set(Fault::None);

    eventually(LIMIT, || async { self::scripts(&world).await > scripts }).await;
    world.published().await.unwrap();
    assert_eq!(world.entries(0).await.unwrap().len(), 11);
    relay.stop().await;
    late.stop().await;
}

/// F3: two relays that take turns in being stopped, over and over.
#[tokio::test]
async fn relays_that_are_stopped_and_continued_publish_every_event_once() {
    let world = World::new(2).await;
    let relays = [
        Worker::relay(&world, &world.redis.url()).await,
        Worker::relay(&world, &world.redis.url()).await,
    ];

    for round in 0..8_usize {
        let stopped = &relays[round % 2];
        world.add_many(3, 2).await;
        stopped.stop();
        world.add_many(3, 5).await;
        eventually(LIMIT, || world.published()).await;
        stopped.proceed();
    }
    eventually(LIMIT, || world.published()).await;
    assert_eq!(world.number("SELECT count(*) FROM post.publication").await.unwrap(), 168);
    for relay in relays {
        relay.terminate().await;
    }
}

#[tokio::test]
async fn the_script_refuses_a_cursor_that_is_not_the_end_of_the_stream() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(1, 3).await;
    eventually(LIMIT, || world.published()).await;
    relay.stop().await;
    let append = |cursor: &str, sequence: &str| {
        let key = stream_key(Service::Post, 0);
        let arguments = [sequence, "x", cursor].map(str::to_owned).to_vec();
        let client = world.redis.client().clone();
        async move {
            client
                .eval::<String, _, _, _>(
                    include_str!("../../src/relay/publish.lua"),
                    key,
                    arguments,
                )
                .await
                .unwrap()
        }
    };

    assert_eq!(append("0", "1").await, "3");
    assert_eq!(append("2", "3").await, "3");
    assert_eq!(append("7", "8").await, "3");
    world.published().await.unwrap();
    assert_eq!(append("3", "4").await, "4");
    assert_eq!(world.entries(0).await.unwrap().len(), 4);
}

/// F17: Redis is full.
#[tokio::test]
async fn events_wait_in_the_store_while_redis_is_full() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.published()).await;

    let () = world.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    world.add_many(1, 10).await;
    eventually(LIMIT, || async {
        world.number("SELECT count(*) FROM post.publication").await.unwrap() == 11
    })
    .await;
    assert_eq!(world.entries(0).await.unwrap().len(), 1);

    let () = world.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    eventually(LIMIT, || world.published()).await;
    relay.stop().await;
}

/// F22: the database was restored to the past, so the stream knows events that never happened.
#[tokio::test]
async fn a_relay_whose_store_is_behind_the_stream_publishes_nothing() {
    let world = World::new(1).await;
    let () = world.redis.command(&["XADD", &stream(), "5-0", "i", "other"]).await.unwrap();

    let relay = world.relay();
    // More than the stream has: still, none of them may follow it.
    world.add_many(1, 7).await;
    looked_at_twice(&world).await;
    assert_eq!(world.entries(0).await.unwrap(), [("5-0".to_owned(), "other".to_owned())]);
    assert_eq!(world.number("SELECT count(*) FROM post.publication").await.unwrap(), 0);
    assert_eq!(world.number("SELECT count(*) FROM post.outbox").await.unwrap(), 7);
    relay.stop().await;
}

/// F22: restored, and as long as the stream again.
#[tokio::test]
async fn a_relay_whose_store_holds_another_past_publishes_nothing() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(1, 5).await;
    eventually(LIMIT, || world.published()).await;
    relay.stop().await;
    let () = world.redis.command(&["DEL", &stream()]).await.unwrap();
    let () = world.redis.command(&["XADD", &stream(), "5-0", "i", "other"]).await.unwrap();

    let relay = world.relay();
    world.add_many(1, 5).await;
    looked_at_twice(&world).await;
    assert_eq!(world.entries(0).await.unwrap().len(), 1);

    // The operator has decided for the store.
    let () = world.redis.command(&["DEL", &stream()]).await.unwrap();
    eventually(LIMIT, || world.published()).await;
    assert_eq!(world.entries(0).await.unwrap().len(), 10);
    relay.stop().await;
}

fn stream() -> String {
    stream_key(Service::Post, 0)
}

/// The relay has asked for the end of the stream, and then again.
async fn looked_at_twice(world: &World) {
    let before = calls(world, "xinfo|stream").await;
    eventually(LIMIT, || async { calls(world, "xinfo|stream").await >= before + 2 }).await;
}

/// How many scripts Redis has run.
async fn scripts(world: &World) -> u64 {
    calls(world, "eval").await
}

async fn calls(world: &World, command: &str) -> u64 {
    let statistics: String = world.redis.command(&["INFO", "commandstats"]).await.unwrap();
    let prefix = format!("cmdstat_{command}:calls=");
    let calls = statistics
        .lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .and_then(|rest| rest.split(',').next())
        .unwrap_or("0");
    calls.parse().unwrap()
}
