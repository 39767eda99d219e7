//! Groups that take few events of a stream, or are in no hurry: they cost fewer transactions, and lose nothing by it.

use std::time::Duration;

use anyhow::ensure;
use event_runtime::{Aggregate, Concurrency, Expected, Streams};
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, Service, envelope::Metadata};
use test_kit::eventually;

use crate::{
    counter::{POISON, Variant},
    world::{LIMIT, World, id},
};

/// Something else that happens in the same service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum NoiseEvent {
    #[serde(rename = "noise.made.v1")]
    Made {},
}

impl Event for NoiseEvent {
    const CATEGORY: &'static str = "noise";
    const SERVICE: Service = Service::Post;
}

#[derive(Default)]
struct Noise;

impl Aggregate for Noise {
    type Id = uuid::Uuid;
    type Event = NoiseEvent;

    fn evolve(self, _: &NoiseEvent) -> Self {
        self
    }
}

impl World {
    async fn make_noise(&self, number: u128) {
        Streams::<Noise>::without_read_model(self.post.clone())
            .execute::<std::convert::Infallible>(
                id(number),
                Expected::Any,
                &Metadata::default(),
                |_| Ok(vec![NoiseEvent::Made {}]),
            )
            .await
            .unwrap();
    }

    async fn transactions(&self) -> i64 {
        self.number("SELECT count(DISTINCT xmin::text) FROM engagement.tally_log").await.unwrap()
    }
}

#[tokio::test]
async fn events_of_a_group_that_lingers_take_effect_in_one_transaction() {
    let world = World::new(1).await;
    let relay = world.relay();
    let node =
        world.tally_as(Variant { linger: Duration::from_secs(4), ..Variant::default() }).await;
    eventually(LIMIT, || async { world.delivered(0).await.map(drop) }).await;

    for number in 1..=10 {
        world.add(id(number), 1).await;
        eventually(LIMIT, || world.published()).await;
    }
    eventually(LIMIT, || world.settled()).await;

    let transactions = world.transactions().await;
    assert!(transactions <= 3, "{transactions} transactions for ten events");
    node.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_full_batch_waits_for_nobody() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_at_once(300, 1).await;
    eventually(LIMIT, || world.published()).await;

    let node =
        world.tally_as(Variant { linger: Duration::from_hours(1), ..Variant::default() }).await;

    eventually(LIMIT, || async {
        let applied = world.number("SELECT count(*) FROM engagement.tally_log").await?;
        ensure!(applied >= 256, "{applied} of 300");
        Ok(())
    })
    .await;
    node.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn whoever_stops_waits_no_longer_and_leaves_what_waited_to_the_next() {
    let world = World::new(1).await;
    let relay = world.relay();
    let node =
        world.tally_as(Variant { linger: Duration::from_hours(1), ..Variant::default() }).await;
    world.add_many(3, 3).await;
    eventually(LIMIT, || async {
        let pending = world.pending(0).await?;
        ensure!(pending == 9, "{pending} delivered");
        Ok(())
    })
    .await;

    let took = node.stop().await;

    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(world.watermark(0).await.unwrap(), 0);
    let node = world.tally().await;
    eventually(LIMIT, || world.settled()).await;
    node.stop().await;
    relay.stop().await;
}

/// Serially and in lanes, while the owner changes again and again.
#[tokio::test]
async fn what_a_group_does_not_take_passes_and_what_it_takes_takes_effect_once() {
    for concurrency in [Concurrency::Serial, Concurrency::Lanes(4)] {
        let world = World::new(1).await;
        let relay = world.relay();
        let takes_counters =
            Variant { concurrency, categories: &["counter"], ..Variant::default() };
        for round in 1..=6_u128 {
            let node = world.tally_as(takes_counters).await;
            for number in 1..=10 {
                world.make_noise(100 * round + number).await;
                if number % 3 == 0 {
                    world.add(id(number), 1).await;
                }
                if number % 5 == 0 {
                    world.make_noise(101).await;
                }
            }
            if round % 2 == 0 {
                eventually(LIMIT, || world.settled()).await;
            }
            node.stop().await;
        }
        let node = world.tally_as(takes_counters).await;

        eventually(LIMIT, || world.settled()).await;
        let head = world.number("SELECT max(sequence) FROM post.publication").await.unwrap();
        eventually(LIMIT, || async {
            let watermark = world.watermark(0).await?;
            let inbox = world.number("SELECT count(*) FROM engagement.inbox").await?;
            let pending = world.pending(0).await?;
            ensure!((watermark, inbox, pending) == (head, 0, 0), "{watermark}, {inbox}, {pending}");
            Ok(())
        })
        .await;
        assert_eq!(head, 6 * (10 + 3 + 2));
        node.stop().await;
        relay.stop().await;
    }
}

#[tokio::test]
async fn what_a_group_does_not_take_is_never_parked() {
    let world = World::new(1).await;
    let relay = world.relay();
    for number in 1..=40 {
        world.add(id(number), POISON).await;
    }
    let node = world.tally_as(Variant { categories: &["noise"], ..Variant::default() }).await;

    eventually(LIMIT, || async {
        let (watermark, pending) = (world.watermark(0).await?, world.pending(0).await?);
        ensure!((watermark, pending) == (40, 0), "{watermark}, {pending}");
        Ok(())
    })
    .await;

    assert_eq!(world.number("SELECT count(*) FROM engagement.parked_event").await.unwrap(), 0);
    assert_eq!(world.number("SELECT count(*) FROM engagement.tally_log").await.unwrap(), 0);
    node.stop().await;
    relay.stop().await;
}
