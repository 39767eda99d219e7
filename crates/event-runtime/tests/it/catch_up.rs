//! Events that left the streams are read again from the store of their producer.

use std::time::Duration;

use event_runtime::catch_up::{Replay, replay};
use shared_schemas::Service;
use test_kit::{eventually, stream_key};

use crate::{
    counter::GROUP,
    process::Worker,
    world::{LIMIT, World},
};

/// More than three windows.
const EVENTS: u32 = 7_000;

/// What a replay gave, one sequence number after another, as long as `more` says so.
async fn read(replay: &mut Replay, into: &mut Vec<u64>, more: impl Fn(&[u64]) -> bool) {
    while more(into) {
        let Some(events) = replay.next().await.unwrap() else { return };
        into.extend(events.iter().map(|event| event.sequence.unwrap()));
    }
}

async fn catch_up_streams(world: &World) -> Vec<String> {
    world.redis.command(&["KEYS", "catchup:*"]).await.unwrap()
}

#[tokio::test]
async fn a_trimmed_history_is_replayed_in_order_and_takes_a_bounded_part_of_redis() {
    let world = World::new(1).await;
    world.add_at_once(7, EVENTS / 7).await;
    let producer = world.relay();
    eventually(LIMIT, || world.published()).await;
    world.trim(0, u64::from(EVENTS)).await;

    let mut replay = replay(world.redis.client(), Service::Post, 0, 10, u64::from(EVENTS));
    let (mut sequences, mut longest) = (Vec::new(), 0);
    while let Some(events) = replay.next().await.unwrap() {
        sequences.extend(events.iter().map(|event| event.sequence.unwrap()));
        for stream in catch_up_streams(&world).await {
            let length: u64 = world.redis.command(&["XLEN", &stream]).await.unwrap();
            let lives: i64 = world.redis.command(&["TTL", &stream]).await.unwrap();
            longest = longest.max(length);
            assert!((1..=60).contains(&lives), "{lives} s");
        }
    }

    assert!(sequences.iter().copied().eq(11..=u64::from(EVENTS)), "{} events", sequences.len());
    assert!((1..=2_500).contains(&longest), "{longest} entries");
    assert!(catch_up_streams(&world).await.is_empty());
    producer.stop().await;
}

#[tokio::test]
async fn producers_that_answer_at_once_or_die_over_it_repeat_and_lose_nothing() {
    let world = World::new(1).await;
    world.add_at_once(7, EVENTS / 7).await;
    let url = world.redis.url();
    let (one, other) = tokio::join!(Worker::relay(&world, &url), Worker::relay(&world, &url));
    eventually(LIMIT, || world.published()).await;
    world.trim(0, u64::from(EVENTS)).await;

    let mut replay = replay(world.redis.client(), Service::Post, 0, 0, u64::from(EVENTS));
    let mut sequences = Vec::new();
    read(&mut replay, &mut sequences, |read| read.len() < 1_500).await;
    // In the middle of a window that both are about to fill.
    one.kill().await;
    read(&mut replay, &mut sequences, |read| read.len() < 4_000).await;
    other.kill().await;
    let reading = read(&mut replay, &mut sequences, |_| true);
    let waited = tokio::time::timeout(Duration::from_secs(3), reading).await;
    assert!(waited.is_err(), "read to the end without a producer");
    let third = Worker::relay(&world, &url).await;
    read(&mut replay, &mut sequences, |_| true).await;

    assert!(sequences.iter().copied().eq(1..=u64::from(EVENTS)), "{} events", sequences.len());
    third.terminate().await;
}

#[tokio::test]
async fn a_reader_whose_stream_is_lost_or_damaged_reads_on_from_where_it_was() {
    let world = World::new(1).await;
    world.add_at_once(7, EVENTS / 7).await;
    let producer = world.relay();
    eventually(LIMIT, || world.published()).await;
    world.trim(0, u64::from(EVENTS)).await;

    let mut replay = replay(world.redis.client(), Service::Post, 0, 0, u64::from(EVENTS));
    let mut sequences = Vec::new();
    read(&mut replay, &mut sequences, |read| read.len() < 500).await;
    let stream = catch_up_streams(&world).await.pop().unwrap();
    eventually(LIMIT, || async {
        let removed: i64 = world.redis.command(&["XDEL", &stream, "777-0"]).await.unwrap();
        removed == 1
    })
    .await;
    read(&mut replay, &mut sequences, |read| read.len() < 3_000).await;
    let () = world.redis.command(&["FLUSHALL"]).await.unwrap();
    read(&mut replay, &mut sequences, |_| true).await;

    assert!(sequences.iter().copied().eq(1..=u64::from(EVENTS)), "{} events", sequences.len());
    producer.stop().await;
}

/// F26: the group is new and the beginning of its stream is gone, and everybody dies over it.
#[tokio::test]
async fn a_group_that_begins_after_a_trim_applies_every_event_once_whoever_is_killed_over_it() {
    let world = World::new(2).await;
    world.add_at_once(6, 400).await;
    let url = world.redis.url();
    let producer = Worker::relay(&world, &url).await;
    eventually(LIMIT, || world.published()).await;
    world.trim(0, 1_190).await;
    world.trim(1, 1_201).await;

    let killed = Worker::tally(&world, &url).await;
    eventually(LIMIT, || async { world.watermark(0).await.unwrap() > 200 }).await;
    killed.kill().await;
    assert!(world.watermark(0).await.unwrap() < 1_200, "killed too late to show anything");
    let tally = Worker::tally(&world, &url).await;
    producer.kill().await;
    let producer = Worker::relay(&world, &url).await;
    eventually(LIMIT, || world.applied()).await;

    // From there on it is a group like any other.
    world.add_at_once_after(6, 400, 10).await;
    eventually(LIMIT, || world.applied()).await;
    eventually(LIMIT, || async { world.pending(0).await.unwrap() == 0 }).await;
    assert_eq!(world.number("SELECT count(*) FROM engagement.inbox").await.unwrap(), 0);
    tally.terminate().await;
    producer.terminate().await;
}

#[tokio::test]
async fn what_is_deleted_from_the_middle_or_the_end_of_a_stream_is_read_from_the_store() {
    let world = World::new(1).await;
    let producer = world.relay();
    let tally = world.tally().await;
    world.add_many(2, 5).await;
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    world.add_many(2, 10).await;
    eventually(LIMIT, || world.published()).await;

    let key = stream_key(Service::Post, 0);
    let deleted = ["XDEL", &key, "15-0", "16-0", "22-0", "29-0", "30-0"];
    let removed: i64 = world.redis.command(&deleted).await.unwrap();
    assert_eq!(removed, 5);
    let tally = world.tally().await;
    eventually(LIMIT, || world.applied()).await;
    assert_eq!(world.watermark(0).await.unwrap(), 30);
    world.add_many(2, 1).await;
    eventually(LIMIT, || world.applied()).await;
    tally.stop().await;
    producer.stop().await;
}

#[tokio::test]
async fn a_group_that_was_away_while_its_stream_was_lost_and_begun_further_on_misses_nothing() {
    let world = World::new(1).await;
    let producer = world.relay();
    let tally = world.tally().await;
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;
    tally.stop().await;
    world.add_at_once_after(3, 5, 300).await;
    eventually(LIMIT, || world.published()).await;
    world.trim(0, 700).await;
    let () = world
        .redis
        .command(&["XGROUP", "DESTROY", &stream_key(Service::Post, 0), GROUP])
        .await
        .unwrap();

    let tally = world.tally().await;
    eventually(LIMIT, || world.applied()).await;
    tally.stop().await;
    producer.stop().await;
}
