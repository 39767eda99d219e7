//! Broadcast: every process hears everything, from the beginning.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use event_runtime::{Broadcast, broadcast::CaughtUp};
use shared_schemas::Service;
use test_kit::{Fault, FaultProxy, eventually};
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
        let broadcast = Broadcast::new(redis_url.to_owned(), Service::Post, 1, listener);
        let caught_up = broadcast.caught_up();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        for reader in broadcast.readers(&shutdown).unwrap() {
            tasks.spawn(reader);
        }
        Self { heard, caught_up, tasks, shutdown }
    }

    async fn hears(&self, last: u64) {
        eventually(LIMIT, || async {
            let heard = self.heard.lock().unwrap().clone();
            if heard == (1..=last).collect::<Vec<_>>() { Ok(()) } else { Err(heard) }
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
