//! Replays: order, speed, streams, and following.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use event_archive::{
    Replay, Sink, Speed,
    replay::{Lines, ReplayStream, StreamOptions, replay},
};
use event_runtime::{
    RecordedEvent,
    history::Filter,
    redis::connect,
    stream::{self, StreamKey},
};
use fred::types::Value;
use shared_schemas::{Service, envelope::Envelope};
use test_kit::{eventually, stream_key};
use tokio_util::sync::CancellationToken;

use crate::{
    export::three_days,
    world::{LIMIT, World, time},
};

/// Id and fields of a stream entry.
type Entry = (String, BTreeMap<String, String>);

/// What a consumer makes of an entry.
fn event(partition: u16, (id, fields): Entry) -> RecordedEvent {
    let words = fields.into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
    let pair = Value::Array(vec![id.into(), Value::Array(words.collect())]);
    stream::decode(StreamKey::new(Service::Post, partition), pair).unwrap()
}

fn envelopes(text: &[u8]) -> Vec<Envelope> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_merges_services_by_time_and_keeps_the_order_of_each_partition() {
    let (_world, posts, auth) = three_days().await;
    let sources = [posts.history.clone(), auth.history.clone()];
    let mut lines = Lines::new(Vec::new());

    let done =
        replay(&sources, &Replay::default(), &mut lines, &CancellationToken::new()).await.unwrap();

    let events = envelopes(&lines.into_inner());
    assert_eq!((events.len(), done.events), (24, 24));
    assert!(events.windows(2).all(|pair| pair[0].time <= pair[1].time));
    let mut last: BTreeMap<(String, u16), u64> = BTreeMap::new();
    for event in &events {
        let sequence = event.sequence.unwrap();
        let before = last.insert((event.source.clone(), event.partition), sequence).unwrap_or(0);
        assert_eq!(sequence, before + 1);
    }

    let rest = Replay { after: done.cursors, ..Replay::default() };
    let mut lines = Lines::new(Vec::new());
    posts.posts(2, 10).await;
    replay(&sources, &rest, &mut lines, &CancellationToken::new()).await.unwrap();
    assert_eq!(envelopes(&lines.into_inner()).len(), 2, "nothing is repeated, nothing missed");
}

/// Notes when each event came.
struct Stopwatch(Vec<(Instant, RecordedEvent)>);

#[async_trait::async_trait]
impl Sink for Stopwatch {
    async fn put(&mut self, events: &[RecordedEvent]) -> Result<(), event_archive::ArchiveError> {
        self.0.extend(events.iter().map(|event| (Instant::now(), event.clone())));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_takes_as_long_as_its_speed_says() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    for minute in 1..=4 {
        world.move_to(1, 13, minute);
        posts.posts(1, 10).await;
    }
    let mut watch = Stopwatch(Vec::new());
    let fast = Replay { speed: Speed::Times(120.0), ..Replay::default() };

    let sources = [posts.history.clone()];
    // From before the first event: on a busy machine that one may be handed over late, and the others on time.
    let begun = Instant::now();
    replay(&sources, &fast, &mut watch, &CancellationToken::new()).await.unwrap();

    let origin = time(&watch.0[0].1);
    for (at, event) in &watch.0 {
        let planned = (time(event) - origin).to_std().unwrap() / 120;
        // A little early because of the clock's steps, late because the machine is busy.
        let late = *at - begun + Duration::from_millis(5);
        assert!(late >= planned, "{late:?} instead of {planned:?}");
        assert!(late < planned + LIMIT);
    }
    assert_eq!(watch.0.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_into_redis_has_streams_of_its_own_that_a_new_group_can_read() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(30, 10).await;
    let live = |partition| stream_key(Service::Post, partition);
    eventually(LIMIT, || async {
        let (one, other): (u64, u64) = (
            world.redis.command(&["XLEN", &live(0)]).await.unwrap(),
            world.redis.command(&["XLEN", &live(1)]).await.unwrap(),
        );
        one + other == 30
    })
    .await;
    let options = StreamOptions { window: 4, ..StreamOptions::default() };
    let client = connect(&world.redis.url()).unwrap();
    let mut sink = ReplayStream::new(client, "run7", options);
    let key = sink.key(Service::Post, 0);
    assert_eq!(key, "replay:{post.p0}:run7");
    let stop = CancellationToken::new();
    let replaying = async {
        // Twice: what is there already is not appended again.
        for _ in 0..2 {
            let sources = [posts.history.clone()];
            replay(&sources, &Replay::default(), &mut sink, &stop).await.unwrap();
        }
    };
    let mut read: BTreeMap<u16, Vec<Entry>> = BTreeMap::new();
    let reading = async {
        for partition in [0, 1] {
            let key = format!("replay:{{post.p{partition}}}:run7");
            let made = ["XGROUP", "CREATE", &key, "analysts", "0", "MKSTREAM"];
            world.redis.command::<Value>(&made).await.unwrap();
        }
        let deadline = Instant::now() + LIMIT;
        while read.values().map(Vec::len).sum::<usize>() < 30 {
            assert!(Instant::now() < deadline, "{read:?}");
            for partition in [0, 1] {
                let key = format!("replay:{{post.p{partition}}}:run7");
                let length: u64 = world.redis.command(&["XLEN", &key]).await.unwrap();
                assert!(length <= 4, "the window is the bound");
                let words =
                    ["XREADGROUP", "GROUP", "analysts", "one", "COUNT", "3", "STREAMS", &key, ">"];
                let reply: Option<Vec<(String, Vec<Value>)>> =
                    world.redis.command(&words).await.unwrap();
                for entry in reply.into_iter().flatten().flat_map(|(_, entries)| entries) {
                    let entry: Entry = entry.convert().unwrap();
                    let acknowledged: u64 =
                        world.redis.command(&["XACK", &key, "analysts", &entry.0]).await.unwrap();
                    assert_eq!(acknowledged, 1);
                    read.entry(partition).or_default().push(entry);
                }
            }
        }
    };

    tokio::time::timeout(LIMIT, futures_of(replaying, reading)).await.unwrap();

    for (partition, entries) in read {
        let original: Vec<Value> =
            world.redis.command(&["XRANGE", &live(partition), "-", "+"]).await.unwrap();
        let original: Vec<Entry> =
            original.into_iter().map(|entry| entry.convert().unwrap()).collect();
        let events = |entries: Vec<Entry>| -> Vec<RecordedEvent> {
            entries.into_iter().map(|entry| event(partition, entry)).collect()
        };
        assert_eq!(events(entries), events(original), "same ids, same events");
    }
    let ttl: i64 = world.redis.command(&["TTL", &key]).await.unwrap();
    assert!((3_500..=3_600).contains(&ttl), "{ttl}");
    let groups: Vec<Value> = world.redis.command(&["XINFO", "GROUPS", &live(0)]).await.unwrap();
    assert!(groups.is_empty(), "the service's own stream is not touched");
}

async fn futures_of(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::join!(one, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_follows_goes_on_with_what_is_published_and_ends_when_told() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(10, 10).await;
    let stop = CancellationToken::new();
    let mut watch = Stopwatch(Vec::new());
    let filter = Filter { types: vec!["post.*".parse().unwrap()], ..Filter::default() };
    let follow = Replay { follow: true, filter, ..Replay::default() };
    let sources = [posts.history.clone()];
    let replaying = async { replay(&sources, &follow, &mut watch, &stop).await.unwrap() };
    let writing = async {
        for _ in 0..10 {
            posts.posts(3, 10).await;
        }
        let end = posts.history.heads().await.unwrap();
        // Long enough to be read, and then the end.
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
        end
    };

    let (done, heads) =
        tokio::time::timeout(LIMIT, async { tokio::join!(replaying, writing) }).await.unwrap();

    assert_eq!(done.events, 40);
    let mut followed: Vec<_> =
        watch.0.iter().map(|(_, event)| (event.partition, event.sequence, event.id)).collect();
    let mut order = followed.clone();
    order.sort_by_key(|(partition, ..)| *partition);
    followed.sort_unstable();
    assert_eq!(order, followed, "in the order of each partition");
    let stored: Vec<_> = posts
        .published()
        .await
        .iter()
        .map(|event| (event.partition, event.sequence, event.id))
        .collect();
    assert_eq!(followed, stored);
    for head in heads {
        assert_eq!(done.cursors[0].read_to(head.partition), head.sequence);
    }
}
