//! How much is ahead of a group.

use anyhow::ensure;
use event_runtime::lag::GroupLag;
use sea_orm::ConnectionTrait;
use test_kit::eventually;

use crate::{
    counter::{GROUP, LOCKED},
    figures::{figure, figures},
    world::{LIMIT, Node, World, id},
};

async fn lags(node: &Node, lag: u64, retryable: u64) {
    eventually(LIMIT, || async {
        let report = node.runtime.lag().await?;
        let expected = GroupLag { lag, retryable, total: lag + retryable };
        ensure!(report.groups.get(GROUP) == Some(&expected), "{report:?}");
        ensure!(report.total == expected.total, "{report:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn lag_is_what_a_group_has_not_made_durable_and_what_it_will_try_again() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    lags(&tally, 0, 0).await;

    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    world.add_many(1, 5).await;
    lags(&tally, 6, 0).await;
    let parked = "INSERT INTO parked_event (consumer_group, service, partition, sequence, entry, reason, error, retry_at)
                    VALUES ('other.group', 'post', 0, 1, '{}', 'retry', '', now() + interval '1 hour')";
    world.db.execute_unprepared(parked).await.unwrap();
    lags(&tally, 6, 0).await;
    let mine = format!("UPDATE parked_event SET consumer_group = '{GROUP}', sequence = 1000000");
    world.db.execute_unprepared(&mine).await.unwrap();
    lags(&tally, 6, 1).await;
    // What Redis forgot is still ahead.
    relay.stop().await;
    world.redis.flushall().await.unwrap();
    lags(&tally, 6, 1).await;

    let relay = world.relay();
    lock.rollback().await.unwrap();
    world.db.execute_unprepared("DELETE FROM parked_event").await.unwrap();
    lags(&tally, 0, 0).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_process_that_has_lost_a_partition_shows_no_lag_of_it() {
    figures();
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    let lock = world.lock().await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    world.add_many(2, 3).await;
    let label = format!("group=\"{GROUP}\"");
    let shown = |name| figure(name, &[&label]);
    eventually(LIMIT, || async { shown("events_lag_events") == Some(7.0) }).await;

    let elsewhere = "UPDATE lease SET owner = gen_random_uuid(), epoch = epoch + 1,
                                      expires_at = now() + interval '1 hour'";
    world.db.execute_unprepared(elsewhere).await.unwrap();
    eventually(LIMIT, || async { figure("events_lease_lost_total", &[]) == Some(1.0) }).await;
    lock.rollback().await.unwrap();
    for name in ["events_lag_events", "events_in_flight", "events_lane_depth", "events_inbox_depth"]
    {
        eventually(LIMIT, || async { shown(name) == Some(0.0) }).await;
    }
    relay.stop().await;
    tally.stop().await;
}
