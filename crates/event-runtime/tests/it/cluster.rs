//! Redis Cluster: streams live on several nodes, move between them, and lose the node they are on.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use fred::types::Value;
use shared_schemas::Service;
use test_kit::{TestRedisCluster, eventually, stream_key};

use crate::world::World;

/// A cluster needs some seconds to agree that a node is dead.
const LIMIT: Duration = Duration::from_secs(40);

/// As many streams as are on all three nodes.
const PARTITIONS: u16 = 6;

/// Everything that was published took effect, once and in order; and the streams have it, each number once.
async fn settled(world: &World, cluster: &TestRedisCluster) -> Result<()> {
    world.applied().await?;
    for partition in 0..PARTITIONS {
        let entries: Vec<Value> =
            cluster.command(&["XRANGE", &stream_key(Service::Post, partition), "-", "+"]).await?;
        let streamed: Vec<(String, BTreeMap<String, String>)> =
            entries.into_iter().map(Value::convert).collect::<Result<_, _>>()?;
        let query = format!("SELECT count(*) FROM post.publication WHERE partition = {partition}");
        let stored = usize::try_from(world.number(&query).await?)?;
        ensure!(streamed.len() == stored, "{} of {stored} in {partition}", streamed.len());
        for ((id, _), sequence) in streamed.iter().zip(1..) {
            ensure!(*id == format!("{sequence}-0"), "{id} at {sequence}");
        }
    }
    let waiting = world.number("SELECT count(*) FROM post.outbox").await?;
    ensure!(waiting == 0, "{waiting} wait");
    Ok(())
}

/// Adds to twelve counters until told to stop; returns how often.
async fn load(world: &World, stop: &AtomicBool) -> i64 {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        world.add_many(12, 1).await;
        rounds += 1;
    }
    rounds
}

async fn under_load(world: &World, faults: impl Future<Output = Result<()>>) {
    let stop = AtomicBool::new(false);
    let (rounds, ()) = tokio::join!(load(world, &stop), async {
        let done = faults.await;
        stop.store(true, Ordering::Relaxed);
        done.unwrap();
    });
    assert!(rounds > 0);
}

#[tokio::test]
async fn a_partition_that_moves_between_nodes_under_load_loses_and_repeats_nothing() {
    let (world, cluster) = tokio::join!(World::new(PARTITIONS), TestRedisCluster::start(false));
    let cluster = cluster.unwrap();
    let relay = world.relay_via(&cluster.url());
    let tally = world.tally_via(&cluster.url(), &world.engagement_url).await;
    world.add_many(12, 2).await;
    eventually(LIMIT, || settled(&world, &cluster)).await;

    Box::pin(under_load(&world, async {
        for round in 0..6 {
            let key = stream_key(Service::Post, round % 2);
            let moved = cluster.move_slot_of(&key).await?;
            ensure!(moved > 0, "nothing was moved");
            let before = world.watermark(round % 2).await?;
            // The moved stream is followed, and not only found again in the end.
            eventually(LIMIT, || async {
                ensure!(world.watermark(round % 2).await? > before, "stands at {before}");
                Ok(())
            })
            .await;
        }
        Ok(())
    }))
    .await;
    eventually(LIMIT, || settled(&world, &cluster)).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_replica_promoted_under_load_is_given_what_it_lacks_and_nothing_twice() {
    let (world, cluster) = tokio::join!(World::new(PARTITIONS), TestRedisCluster::start(true));
    let mut cluster = cluster.unwrap();
    let url = cluster.url();
    let relay = world.relay_via(&url);
    let tally = world.tally_via(&url, &world.engagement_url).await;
    world.add_many(12, 2).await;
    eventually(LIMIT, || settled(&world, &cluster)).await;

    let key = stream_key(Service::Post, 0);
    Box::pin(under_load(&world, async {
        cluster.kill_owner_of(&key).await.context("no replica took over")
    }))
    .await;
    world.add_many(12, 2).await;
    eventually(LIMIT, || settled(&world, &cluster)).await;
    relay.stop().await;
    tally.stop().await;
}
