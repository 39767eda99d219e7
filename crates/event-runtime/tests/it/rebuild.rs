//! Rebuilding: every read model can be made again from events while it is in use, and is the same.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use event_runtime::{
    Clock, EventStore, InlineProjection, Recorded, RuntimeBuilder, epoch,
    operator::requests::{self, Kind},
    park::{self, Skip},
    rebuild::{Phase, Progress, RebuildError},
    runtime::OperatorError,
    stream::StreamKey,
};
use sea_orm::{
    ConnectionTrait, Database, DatabaseTransaction, DbErr, TransactionTrait as _, raw_sql,
};
use shared_schemas::Service;
use test_kit::{TestDatabase, eventually, stream_key};
use tokio::sync::watch;

use crate::{
    counter::{CounterEvent, GROUP, LOCKED, POISON},
    process::Worker,
    totals::{self, Totals, expected, record, record_in, rows},
    world::{LIMIT, Node, World, id},
};

/// Everything about the tables of a schema but their contents.
async fn structure(store: &EventStore) -> serde_json::Value {
    let row = store
        .db()
        .query_one_raw(raw_sql!(
            Postgres,
            "WITH t AS (SELECT c.* FROM pg_class c WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace)
             SELECT jsonb_build_array(
               (SELECT jsonb_agg(jsonb_build_array(relname, relowner::regrole, relacl::text, reloptions, relpersistence,
                                                   obj_description(oid)) ORDER BY relname) FROM t),
               (SELECT jsonb_agg(jsonb_build_array(relname, attname, format_type(atttypid, atttypmod), attnotnull,
                                                   attidentity, attacl::text, pg_get_expr(adbin, adrelid))
                                 ORDER BY relname, attnum)
                  FROM t JOIN pg_attribute a ON attrelid = t.oid AND attnum > 0
                    LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (attrelid, attnum)),
               (SELECT jsonb_agg(jsonb_build_array(conname, pg_get_constraintdef(c.oid)) ORDER BY relname, conname)
                  FROM t JOIN pg_constraint c ON conrelid = t.oid),
               (SELECT jsonb_agg(pg_get_indexdef(indexrelid) ORDER BY pg_get_indexdef(indexrelid))
                  FROM t JOIN pg_index ON indrelid = t.oid),
               (SELECT jsonb_agg(pg_get_triggerdef(g.oid) ORDER BY tgname)
                  FROM t JOIN pg_trigger g ON tgrelid = t.oid WHERE NOT tgisinternal)) AS structure"
        ))
        .await
        .unwrap()
        .unwrap();
    row.try_get("", "structure").unwrap()
}

/// Tables that a rebuild has left behind.
async fn left_over(world: &World) -> i64 {
    world.number("SELECT count(*) FROM pg_tables WHERE schemaname LIKE '%\\_shadow'").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_model_made_from_the_store_is_the_one_that_grew_with_it() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    for round in 0..10 {
        record(&counters, 1, round).await;
        record(&counters, 2, round).await;
    }

    let grown = rows(&world.post).await;
    let spoil =
        "UPDATE totals SET total = 0, label = 'spoilt'; DELETE FROM change WHERE version > 9";
    world.post.db().execute_unprepared(spoil).await.unwrap();
    assert_eq!(node.runtime.rebuild("counter").await.unwrap().events, 40);

    assert_eq!(rows(&world.post).await, grown);
    assert_eq!(expected(&world.post).await, grown);
    assert_eq!(left_over(&world).await, 0);
    // The tables go on being used, identity and all.
    record(&counters, 1, 10).await;
    assert_eq!(rows(&world.post).await, expected(&world.post).await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanged_table_has_the_names_keys_grants_and_settings_of_the_old_one() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let grants = "GRANT SELECT ON totals TO pg_monitor WITH GRANT OPTION; GRANT SELECT (version) ON change TO PUBLIC";
    world.post.db().execute_unprepared(grants).await.unwrap();
    let node = totals::node(&world);
    record(&counters, 1, 1).await;
    let before = structure(&world.post).await;

    node.runtime.rebuild("counter").await.unwrap();

    assert_eq!(structure(&world.post).await, before);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_go_on_while_thousands_of_events_are_replayed() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    // Some thousand events at once: the store does not care who wrote them.
    world
        .post
        .db()
        .execute_unprepared(
            "INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data, metadata,
                                occurred_at)
               SELECT gen_random_uuid(), 'counter', ('00000000-0000-0000-0000-' || lpad(c::text, 12, '0'))::uuid, v,
                      'counter.added.v1', false, jsonb_build_object('amount', v), '{}', now()
                 FROM generate_series(1000, 1249) c, generate_series(1, 8) v;
             INSERT INTO totals SELECT aggregate_id, sum((data ->> 'amount')::bigint), NULL, max(aggregate_version)
               FROM event GROUP BY 1;
             INSERT INTO change (counter_id, version) SELECT aggregate_id, aggregate_version FROM event",
        )
        .await
        .unwrap();
    let reader = EventStore::open(
        world.database.connect("post").await.unwrap(),
        Service::Post,
        1,
        Clock::System,
    )
    .await
    .unwrap();
    let (is_over, reads) = (AtomicBool::new(false), AtomicU64::new(0));

    let read = async {
        while !is_over.load(Ordering::Relaxed) {
            let row = reader
                .db()
                .query_one_raw(raw_sql!(
                    Postgres,
                    "SELECT count(*) AS n, (SELECT count(*) FROM change) AS changes FROM totals"
                ))
                .await
                .unwrap()
                .unwrap();
            let (n, changes): (i64, i64) =
                (row.try_get("", "n").unwrap(), row.try_get("", "changes").unwrap());
            assert!(n >= 250 && changes >= 2_000, "{n} rows, {changes} changes");
            reads.fetch_add(1, Ordering::Relaxed);
        }
    };
    let write = async {
        let mut round = 0;
        while !is_over.load(Ordering::Relaxed) {
            record(&counters, u128::try_from(round % 7).unwrap(), round).await;
            round += 1;
        }
        round
    };
    let rebuild = async {
        let mut waited = Vec::new();
        for _ in 0..2 {
            let rebuilt = node.runtime.rebuild("counter").await.unwrap();
            assert!(rebuilt.events >= 2_000);
            waited.push(rebuilt.writers_waited_seconds);
        }
        is_over.store(true, Ordering::Relaxed);
        waited
    };
    let ((), rounds, waited) = tokio::join!(read, write, rebuild);

    assert_eq!(rows(&world.post).await, expected(&world.post).await);
    assert!(rounds > 0 && reads.load(Ordering::Relaxed) > 0);
    // Promised is half a second on a machine that does nothing else.
    assert!(waited.iter().all(|seconds| *seconds < 3.0), "writers waited {waited:?} s");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_committed_late_at_a_lower_position_is_in_the_rebuilt_table_once() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    record(&counters, 1, 1).await;
    let late = world.post.begin().await.unwrap();
    record_in(&late, &counters, 9, 9).await;
    // A position that nobody will ever fill.
    let never = world.post.begin().await.unwrap();
    record_in(&never, &counters, 8, 8).await;
    never.rollback().await.unwrap();
    record(&counters, 1, 2).await;

    let progress = watch::Sender::<Progress>::default();
    let mut seen = progress.subscribe();
    let rebuild = node.runtime.rebuild_watched("counter", &progress);
    let commit = async {
        seen.wait_for(|progress| progress.phase == Phase::Exchanging).await.unwrap();
        late.commit().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(rebuild, commit);

    assert_eq!(outcome.unwrap().events, 6);
    assert_eq!(rows(&world.post).await, expected(&world.post).await);
    node.stop().await;
}

#[tokio::test]
async fn a_projection_of_others_events_comes_to_the_same_rows_without_reading_its_streams_anew() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.settled()).await;

    for _ in 0..2 {
        let spoil = "UPDATE tally SET total = -1; DELETE FROM tally_log WHERE id % 3 = 0";
        world.db.execute_unprepared(spoil).await.unwrap();
        let before = (world.watermark(0).await.unwrap(), world.watermark(1).await.unwrap());
        let rebuilt = tally.runtime.rebuild(GROUP).await.unwrap();

        world.applied().await.unwrap();
        assert_eq!(i64::try_from(rebuilt.events).unwrap(), before.0 + before.1);
        world.add_many(4, 2).await;
        eventually(LIMIT, || world.settled()).await;
    }
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_have_left_the_streams_are_replayed_from_their_producers_store() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 20).await;
    eventually(LIMIT, || world.settled()).await;
    for partition in 0..2 {
        let key = stream_key(Service::Post, partition);
        let _: u64 = world.redis.command(&["XTRIM", &key, "MINID", "30-0"]).await.unwrap();
    }
    let spoil = "UPDATE tally SET total = -1; DELETE FROM tally_log WHERE id % 3 = 0";
    world.db.execute_unprepared(spoil).await.unwrap();

    assert_eq!(tally.runtime.rebuild(GROUP).await.unwrap().events, 80);
    world.applied().await.unwrap();
    assert_eq!(tally.runtime.audit(GROUP).await.unwrap().drift, []);
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_while_events_flow_counts_each_of_them_once() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 10).await;

    for _ in 0..3 {
        let (rebuilt, ()) = tokio::join!(tally.runtime.rebuild(GROUP), world.add_many(4, 10));
        rebuilt.unwrap();
    }
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_events_stay_parked_through_a_rebuild_and_take_effect_once_when_redriven() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    for counter in [1, 2] {
        world.add(id(counter), 1).await;
    }
    world.add(id(1), POISON).await;
    world.add(id(1), 3).await;
    world.add(id(2), 4).await;
    let parked = || world.number("SELECT count(*) FROM parked_event");
    eventually(LIMIT, || async { parked().await.is_ok_and(|parked| parked == 2) }).await;
    eventually(LIMIT, || world.applied_but(id(1))).await;

    assert_eq!(tally.runtime.rebuild(GROUP).await.unwrap().events, 3);
    world.applied_but(id(1)).await.unwrap();
    assert_eq!(parked().await.unwrap(), 2);

    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
    let (redriven, rebuilt) =
        tokio::join!(tally.runtime.redrive(GROUP, Some(id(1))), tally.runtime.rebuild(GROUP));
    assert_eq!(redriven.unwrap().applied, 2);
    rebuilt.unwrap();
    world.settled().await.unwrap();
    tally.runtime.rebuild(GROUP).await.unwrap();
    world.settled().await.unwrap();
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_leaves_the_live_tables_alone_and_the_next_one_cleans_up() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LOCKED).await;
    world.add_many(3, 5).await;
    eventually(LIMIT, || world.settled()).await;

    let lock = world.lock().await;
    let rebuild = Worker::rebuild(&world).await;
    eventually(LIMIT, || world.handler_waits()).await;
    rebuild.kill().await;
    assert!(left_over(&world).await > 0);
    world.settled().await.unwrap();
    world.add(id(2), 6).await;
    eventually(LIMIT, || world.settled()).await;

    lock.rollback().await.unwrap();
    tally.runtime.rebuild(GROUP).await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(left_over(&world).await, 0);
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_something_else_hangs_on_are_refused_and_stay() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    record(&counters, 1, 1).await;
    let grown = rows(&world.post).await;
    for (make, drop, obstacle) in [
        ("CREATE VIEW seen AS SELECT * FROM totals", "DROP VIEW seen", "seen is made of it"),
        (
            "CREATE TABLE other (id uuid REFERENCES totals)",
            "DROP TABLE other",
            "other refers to it",
        ),
        (
            "CREATE SEQUENCE own OWNED BY totals.version",
            "DROP SEQUENCE own",
            "own belongs to it; an identity column would not",
        ),
    ] {
        world.post.db().execute_unprepared(make).await.unwrap();

        let refused = node.runtime.rebuild("counter").await.unwrap_err();

        let OperatorError::Rebuild(RebuildError::Unsupported { table, obstacle: found }) = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!((table.as_str(), found.as_str()), ("totals", obstacle));
        world.post.db().execute_unprepared(drop).await.unwrap();
    }
    assert_eq!(rows(&world.post).await, grown);
    node.runtime.rebuild("counter").await.unwrap();
    node.stop().await;
}

/// A projection that writes to a table which it does not name.
struct Untrue;

#[async_trait]
impl InlineProjection<CounterEvent> for Untrue {
    fn tables(&self) -> &'static [&'static str] {
        &["change"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CounterEvent>,
    ) -> Result<(), DbErr> {
        Totals.apply(txn, recorded).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_writes_beside_its_tables_is_found_out_before_it_does_harm() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    record(&counters, 1, 1).await;
    let grown = rows(&world.post).await;
    let builder = RuntimeBuilder::new(world.post.clone(), world.redis.url()).read_model(Untrue);
    let node = Node::start(builder.build());

    let refused = node.runtime.rebuild("counter").await.unwrap_err();

    let OperatorError::Rebuild(RebuildError::WritesElsewhere { table }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(table, "totals");
    assert_eq!(rows(&world.post).await, grown);
    node.stop().await;
}

/// A role that owns two schemas and may do nothing else, as services have them.
async fn role(world: &World, schemas: &[&str]) -> (String, String) {
    let name = format!("role_{}", uuid_of(&world.database));
    let admin = world.database.connect("public").await.unwrap();
    admin
        .execute_unprepared(&format!("CREATE ROLE {name} LOGIN PASSWORD 'local-only'"))
        .await
        .unwrap();
    for schema in schemas {
        let make = format!("CREATE SCHEMA {schema} AUTHORIZATION {name}");
        admin.execute_unprepared(&make).await.unwrap();
    }
    let url = world.database.url();
    let (_, rest) = url.split_once('@').unwrap();
    let path = schemas.first().unwrap();
    let url = format!("postgres://{name}:local-only@{rest}?options=-c%20search_path%3D{path}");
    (name, url)
}

fn uuid_of(database: &TestDatabase) -> String {
    database.url().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_role_rebuilds_with_a_shadow_schema_of_its_own_and_says_so_when_it_is_missing() {
    let world = World::new(1).await;
    let (name, url) = role(&world, &["small"]).await;
    let db = Database::connect(&url).await.unwrap();
    for (_, migration) in event_runtime::MIGRATIONS {
        db.execute_unprepared(migration).await.unwrap();
    }
    let store = EventStore::open(db, Service::Post, 1, Clock::System).await.unwrap();
    let counters = totals::lay_out_in(&store).await;
    let builder = RuntimeBuilder::new(store.clone(), world.redis.url()).read_model(Totals);
    let node = Node::start(builder.build());
    record(&counters, 1, 1).await;

    let refused = node.runtime.rebuild("counter").await.unwrap_err();
    let OperatorError::Rebuild(RebuildError::NoShadowSchema { schema, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(schema, "small_shadow");

    let admin = world.database.connect("public").await.unwrap();
    let make = format!("CREATE SCHEMA small_shadow AUTHORIZATION {name}");
    admin.execute_unprepared(&make).await.unwrap();
    node.runtime.rebuild("counter").await.unwrap();
    assert_eq!(rows(&store).await, expected(&store).await);
    node.stop().await;
    store.db().clone().close().await.unwrap();
    admin.execute_unprepared(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reader_delays_the_exchange_and_nobody_waits_for_long() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    record(&counters, 1, 1).await;
    let reader = world.post.begin().await.unwrap();
    reader.txn().execute_unprepared("SELECT count(*) FROM totals").await.unwrap();

    let end = async {
        tokio::time::timeout(Duration::from_secs(10), async {
            for round in 2..6 {
                record(&counters, 1, round).await;
            }
        })
        .await
        .unwrap();
        eventually(LIMIT, || world.number("SELECT 1")).await;
        reader.rollback().await.unwrap();
    };
    let (rebuilt, ()) = tokio::join!(node.runtime.rebuild("counter"), end);

    rebuilt.unwrap();
    assert_eq!(rows(&world.post).await, expected(&world.post).await);
    node.stop().await;
}

/// The heartbeat may wait for what the rebuild itself has locked.
#[tokio::test]
async fn a_requested_rebuild_goes_on_while_its_heartbeat_is_held_up() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LOCKED).await;
    world.add_many(2, 2).await;
    eventually(LIMIT, || world.settled()).await;
    let table = "SELECT 'engagement.tally'::regclass::oid::bigint";
    let before = world.number(table).await.unwrap();
    let lock = world.lock().await;
    let (site, order) = world.site(Service::Engagement).await;
    let request = requests::ask(&site, &order, Kind::Rebuild, GROUP).await.unwrap().unwrap();
    eventually(LIMIT, || world.handler_waits()).await;

    let held = world.db.begin().await.unwrap();
    held.execute_unprepared("SELECT FROM maintenance_request FOR UPDATE").await.unwrap();
    eventually(LIMIT, || async { world.waiting_for_rows().await.unwrap() == 1 }).await;
    lock.rollback().await.unwrap();
    eventually(LIMIT, || async { world.number(table).await.unwrap() != before }).await;
    held.rollback().await.unwrap();
    eventually(LIMIT, || async {
        let request = requests::get(&site, request.id).await?.context("no request")?;
        ensure!(request.state == "done", "{request:?}");
        Ok(())
    })
    .await;
    relay.stop().await;
    tally.stop().await;
}

/// A few failed heartbeats are no reason to lose hours of work.
#[tokio::test]
async fn a_requested_rebuild_outlives_a_heartbeat_that_fails() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.settled()).await;
    let lock = world.lock().await;
    let (site, order) = world.site(Service::Engagement).await;
    let request = requests::ask(&site, &order, Kind::Rebuild, GROUP).await.unwrap().unwrap();
    eventually(LIMIT, || world.handler_waits()).await;

    let rename = "ALTER TABLE maintenance_request RENAME COLUMN heartbeat_at TO elsewhere";
    world.db.execute_unprepared(rename).await.unwrap();
    let begun = Instant::now();
    eventually(LIMIT, || async { begun.elapsed() > Duration::from_secs(3) }).await;
    let back = "ALTER TABLE maintenance_request RENAME COLUMN elsewhere TO heartbeat_at";
    world.db.execute_unprepared(back).await.unwrap();
    lock.rollback().await.unwrap();
    // Before another process could have begun anew.
    eventually(Duration::from_secs(5), || async {
        let request = requests::get(&site, request.id).await?.context("no request")?;
        ensure!(request.state == "done", "{request:?}");
        Ok(())
    })
    .await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_rebuild_that_is_given_up_leaves_no_connection_behind() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.settled()).await;
    let lock = world.lock().await;
    let clients = || async {
        let list: String = world.redis.command(&["CLIENT", "LIST"]).await.unwrap();
        list.lines().count()
    };

    let during = tokio::select! {
        rebuilt = tally.runtime.rebuild(GROUP) => panic!("{rebuilt:?}"),
        during = async {
            eventually(LIMIT, || world.handler_waits()).await;
            clients().await
        } => during,
    };
    lock.rollback().await.unwrap();
    eventually(LIMIT, || async { clients().await < during }).await;
    relay.stop().await;
    tally.stop().await;
}

/// An operator's word is kept: not even a handler that could apply the event by now gets it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_gave_up_comes_back_neither_in_a_rebuild_nor_as_drift() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), POISON).await;
    world.add_many(1, 2).await;
    let parked = "SELECT count(*) FROM engagement.parked_event";
    eventually(LIMIT, || async { world.number(parked).await.unwrap() == 3 }).await;
    let skip = Skip::Event { service: Service::Post, partition: 0, sequence: 1 };
    park::skip(tally.runtime.store(), GROUP, skip, "ada", "a test event").await.unwrap();
    let effects = "SELECT sum(amount)::bigint FROM engagement.tally_log";
    eventually(LIMIT, || async { world.number(effects).await.is_ok_and(|sum| sum == 3) }).await;
    world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();

    assert_eq!(tally.runtime.audit(GROUP).await.unwrap().drift, []);
    assert_eq!(tally.runtime.rebuild(GROUP).await.unwrap().events, 2);
    assert_eq!(world.number(effects).await.unwrap(), 3);
    assert_eq!(tally.runtime.audit(GROUP).await.unwrap().drift, []);
    relay.stop().await;
    tally.stop().await;
}

/// Counters change their partitions, and with them the order in which partitions alone would be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_reads_one_generation_after_the_other_from_streams_and_from_the_store() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(6, 5).await;
    eventually(LIMIT, || world.applied()).await;
    for partitions in [5, 1] {
        epoch::repartition(&world.post, world.redis.client(), partitions).await.unwrap();
        world.add_many(6, 5).await;
        eventually(LIMIT, || world.applied()).await;
    }
    let places = "SELECT max(n) FROM (SELECT count(DISTINCT p.partition) AS n
                    FROM post.publication p JOIN post.event e USING (position) GROUP BY e.aggregate_id) moved";
    assert!(world.number(places).await.unwrap() > 1, "nobody moved");
    let spoil =
        "DELETE FROM engagement.tally_log WHERE version > 3; UPDATE engagement.tally SET total = 0";
    for forgotten in [None, Some(1), Some(2)] {
        if let Some(ended) = forgotten {
            for partition in 0..5_u16 {
                let key = StreamKey::new(Service::Post, partition).at(ended).to_string();
                let _: u64 = world.redis.command(&["DEL", &key]).await.unwrap();
            }
        }
        world.db.execute_unprepared(spoil).await.unwrap();
        assert!(!tally.runtime.audit(GROUP).await.unwrap().drift.is_empty());
        assert_eq!(tally.runtime.rebuild(GROUP).await.unwrap().events, 90);
        world.applied().await.unwrap();
        assert_eq!(tally.runtime.audit(GROUP).await.unwrap().drift, []);
    }
    relay.stop().await;
    tally.stop().await;
}
