//! Broadcast: every process hears everything, from the beginning.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use event_runtime::{Broadcast, broadcast::CaughtUp};
use shared_schemas::Service;
use test_kit::{Fault, FaultProxy, eventually, stream_key};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::world::{LIMIT, World};

struct Ear {
    heard: Arc<Mutex<Vec<u64>>>,
    caught_up: CaughtUp,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Ear {
    fn listen(redis_url: &str) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = {
            let heard = Arc::clone(&heard);
            Arc::new(move |event: &event_runtime::RecordedEvent| {
                heard.lock().unwrap().push(event.sequence.unwrap());
            })
        };
        let broadcast = Broadcast::new(redis_url.to_owned(), Service::Post, listener);
        let caught_up = broadcast.caught_up();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(broadcast.run(shutdown.clone()).unwrap());
        Self { heard, caught_up, tasks, shutdown }
    }

    async fn hears(&self, last: u64) {
        eventually(LIMIT, || async {
            let heard = self.heard.lock().unwrap().clone();
            if heard.iter().copied().eq(1..=last) {
                Ok(())
            } else {
                Err((heard.len(), heard.last().copied()))
            }
        })
        .await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test]
async fn every_process_hears_every_event_and_knows_when_it_has_heard_the_past() {
    let world = World::new(1).await;
    let relay = world.relay();
    let early = Ear::listen(&world.redis.url());
    eventually(LIMIT, || async { early.caught_up.is_done() }).await;
    world.add_many(1, 30).await;
    early.hears(30).await;

    let late = Ear::listen(&world.redis.url());
    eventually(LIMIT, || async { late.caught_up.is_done() }).await;
    assert_eq!(late.heard.lock().unwrap().len(), 30, "caught up, and has not heard everything");
    world.add_many(1, 5).await;
    early.hears(35).await;
    late.hears(35).await;
    early.stop().await;
    late.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_listener_that_starts_without_redis_catches_up_when_it_is_there() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(1, 5).await;
    eventually(LIMIT, || world.published()).await;
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    proxy.set(Fault::BlackHole);
    let ear = Ear::listen(proxy.url());
    eventually(LIMIT, || async { proxy.accepted() >= 1 }).await;
    assert!(!ear.caught_up.is_done());

    proxy.set(Fault::None);
    ear.hears(5).await;
    eventually(LIMIT, || async { ear.caught_up.is_done() }).await;
    ear.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_listener_hears_each_event_once_over_a_flush_and_a_dead_connection() {
    let world = World::new(1).await;
    let relay = world.relay();
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let ear = Ear::listen(proxy.url());
    world.add_many(1, 10).await;
    ear.hears(10).await;

    world.redis.flushall().await.unwrap();
    world.add_many(1, 5).await;
    ear.hears(15).await;

    proxy.set(Fault::BlackHole);
    let started = Instant::now();
    eventually(LIMIT, || async { started.elapsed() > Duration::from_millis(700) }).await;
    proxy.set(Fault::None);
    world.add_many(1, 5).await;
    let healed = Instant::now();
    ear.hears(20).await;
    assert!(healed.elapsed() < Duration::from_secs(6), "{:?}", healed.elapsed());
    ear.stop().await;
    relay.stop().await;
}

/// F26 for those without a group: what left the stream comes from the store, and so does what is deleted under a reader.
#[tokio::test]
async fn a_listener_hears_what_left_the_stream_before_and_after_it_began() {
    let world = World::new(1).await;
    let producer = world.relay();
    world.add_at_once(3, 1_000).await;
    eventually(LIMIT, || world.published()).await;
    world.trim(0, 2_990).await;

    let ear = Ear::listen(&world.redis.url());
    ear.hears(3_000).await;
    assert!(ear.caught_up.is_done());

    // The reader is away while entries come and go.
    let proxy = FaultProxy::start(&world.redis.url()).await.unwrap();
    let away = Ear::listen(proxy.url());
    away.hears(3_000).await;
    proxy.set(Fault::BlackHole);
    world.add_at_once_after(3, 1_000, 5).await;
    eventually(LIMIT, || async { world.entries(0).await.unwrap().len() == 26 }).await;
    let key = stream_key(Service::Post, 0);
    let () = world.redis.command(&["XDEL", &key, "3004-0", "3005-0", "3015-0"]).await.unwrap();
    proxy.set(Fault::None);
    away.hears(3_015).await;
    ear.stop().await;
    away.stop().await;
    producer.stop().await;
}

/// An empty Redis may be one that has forgotten everything: only the producer can tell.
#[tokio::test]
async fn a_listener_on_an_emptied_redis_has_not_heard_the_past_before_its_producer_has_said_how_long_it_is()
 {
    let world = World::new(1).await;
    let producer = world.relay();
    world.add_many(1, 50).await;
    eventually(LIMIT, || world.published()).await;
    producer.stop().await;
    world.redis.flushall().await.unwrap();

    let ear = Ear::listen(&world.redis.url());
    let started = Instant::now();
    eventually(LIMIT, || async {
        assert!(!ear.caught_up.is_done(), "caught up with nothing");
        started.elapsed() > Duration::from_secs(2)
    })
    .await;
    let producer = world.relay();
    eventually(LIMIT, || async { ear.caught_up.is_done() }).await;
    assert_eq!(ear.heard.lock().unwrap().len(), 50, "caught up, and has not heard everything");
    ear.stop().await;
    producer.stop().await;
}

/// The producer is away, and its streams and its announcement are still there.
#[tokio::test]
async fn a_listener_needs_no_producer_while_redis_remembers() {
    let world = World::new(1).await;
    let publisher = test_kit::Publisher::connect(&world.redis.url(), 2).await.unwrap();
    for (partition, id) in [(0, "a"), (1, "b"), (1, "c")] {
        let fields = vec![("i".to_owned(), id.to_owned())];
        publisher.append(Service::Post, partition, fields).await.unwrap();
    }
    let ear = Ear::listen(&world.redis.url());

    eventually(LIMIT, || async { ear.caught_up.is_done() }).await;
    ear.stop().await;
}
