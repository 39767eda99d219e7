//! PostgreSQL dies, refuses, and is moved elsewhere.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use test_kit::{Fault, FaultProxy, TestDatabase, eventually};

use crate::world::{LIMIT, World, id};

/// F21: every connection is ended, again and again.
#[tokio::test]
async fn ended_connections_are_made_again_and_nothing_is_lost() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    for _ in 0..20 {
        for counter in 1..=4 {
            // An append whose connection breaks may have happened or not; the oracle takes the store's word.
            drop(world.try_add(id(counter), 1).await);
        }
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
        world.db.execute_unprepared(end).await.unwrap();
    }
    eventually(LIMIT, || async { world.try_add(id(1), 1).await.is_ok() }).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

/// F21: the database is gone for longer than a lease, for one of the services.
#[tokio::test]
async fn partitions_are_worked_on_again_after_the_database_was_gone() {
    let world = World::new(4).await;
    let relay = world.relay();
    let proxy = FaultProxy::start(&world.engagement_url).await.unwrap();
    let tally = world.tally_via(&world.redis.url(), proxy.url()).await;
    world.add_many(8, 2).await;
    eventually(LIMIT, || world.settled()).await;

    for pause in [100, 1_500, 4_000] {
        proxy.set(Fault::Refuse);
        // Only some partitions have news, so only some of their owners notice.
        world.add(id(1), 1).await;
        let started = std::time::Instant::now();
        eventually(LIMIT, || async { started.elapsed() > Duration::from_millis(pause) }).await;
        proxy.set(Fault::None);
        world.add_many(8, 2).await;
        eventually(LIMIT, || world.settled()).await;
    }
    relay.stop().await;
    tally.stop().await;
}

/// F21: the transaction of an event is chosen as the victim of a deadlock.
#[tokio::test]
async fn a_deadlock_is_retried_and_parks_nothing() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), 1).await;
    eventually(LIMIT, || world.settled()).await;

    // This transaction has counter 1 and will want the log; the handler has the log, sleeps, and then wants counter 1.
    // PostgreSQL looks for deadlocks on behalf of the one that waited last and long enough: the handler.
    let trigger = "
        CREATE SEQUENCE tries;
        CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('engagement.tries') = 1 THEN PERFORM pg_sleep(0.7); END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER pause BEFORE INSERT ON tally_log FOR EACH ROW EXECUTE FUNCTION pause();";
    world.db.execute_unprepared(trigger).await.unwrap();
    let before = deadlocks(&world).await;
    let rival = world.db.begin().await.unwrap();
    rival.execute_unprepared("SET LOCAL deadlock_timeout = '10min'").await.unwrap();
    rival.execute_unprepared("SELECT FROM tally FOR UPDATE").await.unwrap();
    world.add(id(1), 2).await;
    eventually(LIMIT, || async {
        let sleeping = "SELECT count(*) FROM pg_stat_activity
                          WHERE datname = current_database() AND wait_event = 'PgSleep'";
        world.number(sleeping).await.unwrap() == 1
    })
    .await;
    // Given when the handler has been chosen as the victim.
    rival.execute_unprepared("LOCK TABLE tally_log IN EXCLUSIVE MODE").await.unwrap();
    rival.commit().await.unwrap();

    eventually(LIMIT, || world.settled()).await;
    eventually(LIMIT, || async { deadlocks(&world).await == before + 1 }).await;
    assert_eq!(world.number("SELECT count(*) FROM engagement.parked_event").await.unwrap(), 0);
    relay.stop().await;
    tally.stop().await;
}

async fn deadlocks(world: &World) -> i64 {
    let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    world.number(count).await.unwrap()
}

/// F21: serialization failures, an administrator's shutdown and lock timeouts speak of the server, not of the event.
#[tokio::test]
async fn states_of_the_server_are_waited_for_and_park_nothing() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    // A sequence is not rolled back, so the trigger fails the first attempts only.
    let trigger = "
        CREATE SEQUENCE tries;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE codes text[] := ARRAY['40001', '40P01', '57P01', '55P03', '53300'];
                attempt bigint := nextval('engagement.tries');
        BEGIN
          IF attempt <= 5 THEN RAISE EXCEPTION 'attempt %', attempt USING ERRCODE = codes[attempt]; END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER fail BEFORE INSERT ON tally_log FOR EACH ROW EXECUTE FUNCTION fail();";
    world.db.execute_unprepared(trigger).await.unwrap();

    world.add_many(2, 3).await;
    eventually(LIMIT, || world.settled()).await;
    let attempts = world.number("SELECT last_value FROM engagement.tries").await.unwrap();
    assert!(attempts > 5, "{attempts} attempts");
    assert_eq!(world.number("SELECT count(*) FROM engagement.parked_event").await.unwrap(), 0);
    relay.stop().await;
    tally.stop().await;
}

/// F23: transaction numbers, positions of the write-ahead log and object ids are all new.
#[tokio::test]
async fn a_database_moved_by_dump_and_restore_goes_on_where_it_was() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
    // Recorded, and not yet published.
    world.add_many(4, 2).await;

    let database = TestDatabase::restored_from(&world.database).await.unwrap();
    let db = database.connect("engagement").await.unwrap();
    let posts = database.connect("post").await.unwrap();
    let World { redis, partitions, .. } = world;
    let world = World::over(database, redis, partitions, db, posts).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.settled()).await;
    assert_eq!(world.number("SELECT count(*) FROM post.event").await.unwrap(), 68);
    relay.stop().await;
    tally.stop().await;
}
