//! How much is ahead of a group.

use anyhow::ensure;
use event_runtime::lag::GroupLag;
use sea_orm::ConnectionTrait;
use test_kit::eventually;

use crate::{
    counter::{GROUP, LOCKED},
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
