//! New generations of streams: after a store was restored to the past, and for another number of partitions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use event_runtime::{
    ApplyError, Broadcast, Projection, RecordedEvent, RuntimeBuilder,
    epoch::{self, EpochError},
    park,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, raw_sql};
use shared_schemas::Service;
use test_kit::eventually;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    counter::{GROUP, LOCKED, POISON},
    figures::{figure, figures},
    process::Worker,
    world::{LIMIT, Node, World, id},
};

/// Another group, which keeps every event that it is given.
struct Diary;

#[async_trait]
impl Projection for Diary {
    fn group(&self) -> &'static str {
        "engagement.diary"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["diary"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let (counter, version) = (event.aggregate_id, event.aggregate_version.0);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO diary (event_id, counter_id, version) VALUES ({event.id.0}, {counter}, {version})"
        ))
        .await?;
        Ok(())
    }
}

async fn diary(world: &World) -> Node {
    let store = world.engagement(&world.engagement_url).await;
    Node::start(RuntimeBuilder::new(store, world.redis.url()).projection(Diary).build())
}

async fn new_diary(world: &World) {
    let table = "CREATE TABLE diary (
        id bigint GENERATED ALWAYS AS IDENTITY, event_id uuid, counter_id uuid, version bigint)";
    world.db.execute_unprepared(table).await.unwrap();
}

/// Every event of the store is in the diary, once, in the order of its counter, and nothing else is.
async fn diary_is_right(world: &World) -> anyhow::Result<()> {
    let wrong = world
        .number(
            "SELECT count(*) FROM post.event e FULL JOIN engagement.diary d ON d.event_id = e.id
               WHERE d.id IS NULL OR e.id IS NULL",
        )
        .await?;
    anyhow::ensure!(wrong == 0, "{wrong} events are only in one of them");
    let late = world
        .number(
            "SELECT count(*) FROM (
               SELECT version <= lag(version) OVER (PARTITION BY counter_id ORDER BY id) AS is_late FROM engagement.diary) d
               WHERE is_late",
        )
        .await?;
    anyhow::ensure!(late == 0, "{late} events are late or there twice");
    Ok(())
}

/// How many partitions of a group are marked as having seen what never happened.
async fn diverged(world: &World, group: &str) -> i64 {
    let query = format!(
        "SELECT count(*) FROM engagement.watermark WHERE consumer_group = '{group}' AND diverged_from IS NOT NULL"
    );
    world.number(&query).await.unwrap()
}

/// F22: the store forgets, its streams and its readers do not.
#[tokio::test]
async fn a_store_restored_to_the_past_goes_on_in_a_new_generation_and_says_who_must_be_rebuilt() {
    let world = World::new(2).await;
    figures();
    new_diary(&world).await;
    let producer = world.relay();
    let (tally, behind) = (world.tally().await, diary(&world).await);
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || diary_is_right(&world)).await;
    behind.stop().await;
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.settled()).await;
    let backup = world.database.back_up("post").await.unwrap();
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.settled()).await;
    producer.stop().await;
    world.database.restore(&backup).await.unwrap();

    // Nothing new is numbered while two histories are in the air.
    let producer = world.relay();
    world.add_many(4, 3).await;
    let restored = Instant::now();
    eventually(LIMIT, || async {
        assert_eq!(world.number("SELECT count(*) FROM post.publication").await.unwrap(), 40);
        restored.elapsed() > Duration::from_secs(2)
    })
    .await;
    let refused = epoch::repartition(&world.post, world.redis.client(), 3).await;
    assert!(matches!(refused, Err(EpochError::Diverged)), "{refused:?}");

    let begun = epoch::bump(&world.post, world.redis.client(), "a test").await.unwrap();
    assert_eq!((begun.epoch, begun.partitions), (2, 2));
    let ends: Vec<_> =
        begun.ends.iter().map(|end| (end.partition, end.sequence, end.lost)).collect();
    assert_eq!(ends, [(0, 20, 20), (1, 20, 20)]);

    // Who was not ahead has the new history and nothing else; who was has both, and is marked.
    let behind = diary(&world).await;
    eventually(LIMIT, || diary_is_right(&world)).await;
    eventually(LIMIT, || async { diverged(&world, GROUP).await == 2 }).await;
    let label = format!("group=\"{GROUP}\"");
    eventually(LIMIT, || async { figure("events_diverged", &[&label]) == Some(2.0) }).await;
    let twice = "SELECT count(*) FROM (
        SELECT counter_id, array_agg(version || ':' || amount ORDER BY id) AS history
          FROM engagement.tally_log GROUP BY 1) l
        WHERE cardinality(history) = 23 AND history[21:23] = ARRAY['11:1', '12:2', '13:3']";
    eventually(LIMIT, || async { world.number(twice).await.unwrap() == 4 }).await;
    assert_eq!(diverged(&world, "engagement.diary").await, 0);

    // Rebuilt, it is as if nothing had happened.
    tally.runtime.rebuild(GROUP).await.unwrap();
    eventually(LIMIT, || world.applied()).await;
    assert_eq!(diverged(&world, GROUP).await, 0);
    world.add_many(4, 2).await;
    eventually(LIMIT, || world.applied()).await;
    eventually(LIMIT, || diary_is_right(&world)).await;
    for node in [tally, behind, producer] {
        node.stop().await;
    }
}

/// F22, and no stream is left that could tell: those who have read it do.
#[tokio::test]
async fn a_store_restored_while_redis_is_emptied_is_contradicted_by_its_readers() {
    let world = World::new(2).await;
    figures();
    let producer = world.relay();
    let tally = world.tally().await;
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.settled()).await;
    let backup = world.database.back_up("post").await.unwrap();
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.settled()).await;
    producer.stop().await;
    world.database.restore(&backup).await.unwrap();
    world.redis.flushall().await.unwrap();

    // More events wait than were lost: not one of them may get a number that readers have seen.
    let producer = world.relay();
    world.add_many(4, 12).await;
    let paused = || async { figure("events_relay_paused", &["store_diverged"]) == Some(1.0) };
    eventually(LIMIT, paused).await;
    let restarted = world.relay();
    let looked = Instant::now();
    eventually(LIMIT, || async {
        assert_eq!(world.number("SELECT count(*) FROM post.publication").await.unwrap(), 20);
        looked.elapsed() > Duration::from_secs(8)
    })
    .await;

    let begun = epoch::bump(&world.post, world.redis.client(), "a test").await.unwrap();
    let ends: Vec<_> = begun.ends.iter().map(|end| (end.partition, end.sequence)).collect();
    assert_eq!((begun.epoch, ends), (2, vec![(0, 10), (1, 10)]));
    eventually(LIMIT, || async { diverged(&world, GROUP).await == 2 }).await;
    tally.runtime.rebuild(GROUP).await.unwrap();
    eventually(LIMIT, || world.applied()).await;
    assert_eq!(diverged(&world, GROUP).await, 0);
    for node in [tally, producer, restarted] {
        node.stop().await;
    }
}

/// F22, when the relays had given numbers to new events before anybody could know.
#[tokio::test]
async fn a_new_generation_begins_where_the_histories_part_and_not_where_the_store_is() {
    let world = World::new(1).await;
    new_diary(&world).await;
    let producer = world.relay();
    world.add_many(1, 30).await;
    eventually(LIMIT, || world.published()).await;
    producer.stop().await;
    // From the 18th event on the stream tells another story.
    let other = "UPDATE post.event SET id = gen_random_uuid()
        WHERE position IN (SELECT position FROM post.publication WHERE sequence >= 18)";
    world.db.execute_unprepared(other).await.unwrap();

    let producer = world.relay();
    let begun = epoch::bump(&world.post, world.redis.client(), "a test").await.unwrap();
    let ends: Vec<_> = begun.ends.iter().map(|end| (end.sequence, end.lost)).collect();
    assert_eq!(ends, [(17, 13)]);
    let reader = diary(&world).await;
    eventually(LIMIT, || diary_is_right(&world)).await;
    reader.stop().await;
    producer.stop().await;
}

/// What a broadcast heard of each counter, in order.
type Heard = Arc<Mutex<HashMap<uuid::Uuid, Vec<i64>>>>;

/// F30: more partitions, then fewer, under load, with readers of all kinds and a kill.
#[tokio::test]
async fn the_number_of_partitions_changes_under_load_and_every_counter_keeps_its_order() {
    let world = World::new(2).await;
    new_diary(&world).await;
    let url = world.redis.url();
    let heard = Heard::default();
    let listener = {
        let heard = Arc::clone(&heard);
        Arc::new(move |event: &RecordedEvent| {
            let mut heard = heard.lock().unwrap();
            heard.entry(event.aggregate_id).or_default().push(event.aggregate_version.0);
        })
    };
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    tasks
        .spawn(Broadcast::new(url.clone(), Service::Post, listener).run(shutdown.clone()).unwrap());

    let killed = Worker::tally(&world, &url).await;
    let diary = diary(&world).await;
    let mut producer = Worker::append(&world, &url, 9, 60).await;
    let applied = "SELECT count(*) FROM engagement.tally_log";
    eventually(LIMIT, || async { world.number(applied).await.unwrap() > 50 }).await;
    let more = epoch::repartition(&world.post, world.redis.client(), 5).await.unwrap();
    assert_eq!((more.epoch, more.partitions), (2, 5));
    killed.kill().await;
    let tally = Worker::tally(&world, &url).await;
    let spread = "SELECT count(DISTINCT partition) FROM post.publication";
    eventually(LIMIT, || async { world.number(spread).await.unwrap() == 5 }).await;
    let fewer = epoch::repartition(&world.post, world.redis.client(), 1).await.unwrap();
    assert_eq!((fewer.epoch, fewer.partitions), (3, 1));
    producer.says("done").await;

    eventually(LIMIT, || world.applied()).await;
    eventually(LIMIT, || diary_is_right(&world)).await;
    eventually(LIMIT, || async {
        let heard = heard.lock().unwrap();
        heard.len() == 9 && heard.values().all(|versions| versions.iter().copied().eq(1..=60))
    })
    .await;
    // In the last generation everything goes on in one partition.
    world.add_many(9, 1).await;
    eventually(LIMIT, || world.applied()).await;
    let behind = "SELECT count(*) FROM engagement.watermark WHERE stream_epoch <> 3";
    assert_eq!(world.number(behind).await.unwrap(), 0);
    let same = epoch::repartition(&world.post, world.redis.client(), 1).await;
    assert!(matches!(same, Err(EpochError::Unchanged(1))), "{same:?}");
    let none = epoch::repartition(&world.post, world.redis.client(), 0).await;
    assert!(matches!(none, Err(EpochError::Partitions(0))), "{none:?}");
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    diary.stop().await;
    tally.terminate().await;
    producer.terminate().await;
}

/// A store restored to before a generation that its readers know is recognised by what Redis was told.
#[tokio::test]
async fn a_store_restored_to_before_its_last_generation_goes_on_after_it() {
    let world = World::new(2).await;
    new_diary(&world).await;
    let producer = world.relay();
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.published()).await;
    let backup = world.database.back_up("post").await.unwrap();
    epoch::repartition(&world.post, world.redis.client(), 3).await.unwrap();
    world.add_many(4, 5).await;
    let tally = world.tally().await;
    eventually(LIMIT, || world.applied()).await;
    producer.stop().await;
    world.database.restore(&backup).await.unwrap();

    let producer = world.relay();
    world.add_many(4, 2).await;
    let begun = epoch::bump(&world.post, world.redis.client(), "a test").await.unwrap();
    assert_eq!((begun.epoch, begun.partitions), (3, 3));
    let reader = diary(&world).await;
    eventually(LIMIT, || diary_is_right(&world)).await;
    // Once in the history that is lost, and once in the one that is true.
    let latest = "SELECT count(*) FROM engagement.tally_log WHERE version = 7 AND amount = 2";
    eventually(LIMIT, || async { world.number(latest).await.unwrap() == 8 }).await;
    assert!(diverged(&world, GROUP).await > 0);
    tally.runtime.rebuild(GROUP).await.unwrap();
    eventually(LIMIT, || world.applied()).await;
    assert_eq!(diverged(&world, GROUP).await, 0);
    for node in [tally, reader, producer] {
        node.stop().await;
    }
}

/// An aggregate goes to the partition of an owner who has never parked anything, and that owner begins the generation.
#[tokio::test]
async fn an_event_waits_behind_one_that_was_parked_in_another_partition_of_the_last_generation() {
    let world = World::new(3).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(6, 1).await;
    eventually(LIMIT, || world.settled()).await;
    // Partition 0 of three, and 1 of two.
    world.add(id(3), POISON).await;
    eventually(LIMIT, || async { !park::list(&world.db, 2).await.unwrap().is_empty() }).await;
    // Somebody else has taken the other partitions, and so cannot be the one who asks the database anew.
    let elsewhere = "
        UPDATE lease SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 hour'
          WHERE partition <> 1;
        UPDATE watermark SET epoch = epoch + 1 WHERE partition <> 1";
    world.db.execute_unprepared(elsewhere).await.unwrap();
    epoch::repartition(&world.post, world.redis.client(), 2).await.unwrap();

    world.add(id(3), 2).await;
    world.add(id(5), 2).await;
    let other = format!(
        "SELECT count(*) FROM engagement.tally WHERE counter_id = '{}' AND version = 2",
        id(5)
    );
    eventually(LIMIT, || async { world.number(&other).await.unwrap() == 1 }).await;
    let parked = park::list(&world.db, 10).await.unwrap();
    let reasons: Vec<&str> = parked.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["refused", "behind"]);
    relay.stop().await;
    tally.stop().await;
}

/// Who has come to the end looks again and again whether the others have, and those have work to do.
#[tokio::test]
async fn an_owner_that_waits_for_the_next_generation_is_in_nobodys_way() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    let lock = world.lock().await;
    world.add(id(2), 1).await;
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.handler_waits()).await;
    epoch::repartition(&world.post, world.redis.client(), 3).await.unwrap();

    let begun = Instant::now();
    eventually(LIMIT, || async {
        assert_eq!(world.waiting_for_rows().await.unwrap(), 0);
        begun.elapsed() > Duration::from_secs(4)
    })
    .await;
    lock.rollback().await.unwrap();
    world.add_many(5, 1).await;
    eventually(LIMIT, || world.applied()).await;
    relay.stop().await;
    tally.stop().await;
}

/// Or its owner would wait for ever for others who are further already.
#[tokio::test]
async fn a_partition_that_has_ended_comes_along_into_every_later_generation() {
    let world = World::new(4).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(8, 1).await;
    eventually(LIMIT, || world.settled()).await;
    epoch::repartition(&world.post, world.redis.client(), 2).await.unwrap();
    let second = "SELECT count(*) FROM engagement.watermark WHERE stream_epoch = 2";
    eventually(LIMIT, || async { world.number(second).await.unwrap() == 4 }).await;

    epoch::bump(&world.post, world.redis.client(), "a test").await.unwrap();
    let third = "SELECT count(*) FROM engagement.watermark WHERE stream_epoch = 3";
    eventually(LIMIT, || async { world.number(third).await.unwrap() == 4 }).await;
    world.add_many(8, 1).await;
    eventually(LIMIT, || world.applied()).await;
    relay.stop().await;
    tally.stop().await;
}
