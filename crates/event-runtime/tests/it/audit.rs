//! Auditing: a damaged row is found and named, and a projection that is merely in use never looks damaged.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use async_trait::async_trait;
use event_runtime::{
    InlineProjection, Recorded, RuntimeBuilder,
    audit::{AuditError, AuditReport, DriftKind},
    runtime::OperatorError,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use serde_json::{Value, json};
use test_kit::eventually;

use crate::{
    counter::{CounterEvent, GROUP, LOCKED, POISON},
    totals::{self, Totals, record},
    world::{LIMIT, Node, World, id},
};

/// What an audit found, as one line per row.
fn found(report: &AuditReport) -> Vec<(&str, DriftKind, Value, Vec<&str>)> {
    let tables = report.drift.iter();
    tables
        .flat_map(|table| {
            table.rows.iter().map(|row| {
                let columns = row.columns.iter().map(String::as_str).collect();
                (table.table.as_str(), row.kind, row.key.clone(), columns)
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_a_missing_and_an_extra_row_are_found_and_named_without_their_contents() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    for counter in 1..=3 {
        record(&counters, counter, 5).await;
    }
    let clean = node.runtime.audit("counter").await.unwrap();
    assert_eq!((clean.drift.as_slice(), clean.events, clean.rows), ([].as_slice(), 6, 9));

    let damage = "
        UPDATE totals SET label = 'spoilt', total = 0 WHERE id = '00000000-0000-0000-0000-000000000001';
        DELETE FROM totals WHERE id = '00000000-0000-0000-0000-000000000002';
        INSERT INTO totals VALUES ('00000000-0000-0000-0000-000000000004', 4, 'invented', 1);
        UPDATE change SET version = 9 WHERE id = 1";
    world.post.db().execute_unprepared(damage).await.unwrap();
    let report = node.runtime.audit("counter").await.unwrap();

    let key = |n: u128| json!({ "id": id(n) });
    assert_eq!(
        found(&report),
        [
            ("totals", DriftKind::Different, key(1), vec!["total", "label"]),
            ("totals", DriftKind::Missing, key(2), vec![]),
            ("totals", DriftKind::Extra, key(4), vec![]),
            // The two of the deleted counter are gone with it, and one has become another.
            ("change", DriftKind::Missing, Value::Null, vec![]),
            ("change", DriftKind::Missing, Value::Null, vec![]),
            ("change", DriftKind::Missing, Value::Null, vec![]),
            ("change", DriftKind::Extra, json!({ "id": 1 }), vec![]),
        ]
    );
    assert_eq!(report.drift_rows(), 7);
    let said = serde_json::to_string(&report).unwrap();
    assert!(!said.contains("spoilt") && !said.contains("invented"), "{said}");

    node.runtime.rebuild("counter").await.unwrap();
    assert_eq!(node.runtime.audit("counter").await.unwrap().drift, []);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_projection_of_others_events_is_found_at_its_watermark() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.settled()).await;

    world
        .db
        .execute_unprepared("UPDATE tally SET total = total + 1 WHERE counter_id::text LIKE '%3'")
        .await
        .unwrap();
    world.db.execute_unprepared("DELETE FROM tally_log WHERE id = 7").await.unwrap();
    let report = tally.runtime.audit(GROUP).await.unwrap();

    assert_eq!(
        found(&report),
        [
            ("tally", DriftKind::Different, json!({ "counter_id": id(3) }), vec!["total"]),
            ("tally_log", DriftKind::Missing, Value::Null, vec![]),
        ]
    );
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_read_model_never_looks_damaged() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    let node = totals::node(&world);
    let is_over = AtomicBool::new(false);
    let write = |writer: u128| {
        let (counters, world) = (&counters, &world);
        async move {
            for round in 0..60 {
                record(counters, writer, round).await;
                record(counters, 9, round).await;
                if round % 5 == 0 {
                    // A position that stays empty.
                    let work = world.post.begin().await.unwrap();
                    totals::record_in(&work, counters, writer, -1).await;
                    work.rollback().await.unwrap();
                }
            }
        }
    };
    let writers = async {
        tokio::join!(write(1), write(2), write(3));
        is_over.store(true, Ordering::Relaxed);
    };
    let audits = async {
        let mut events = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let report = node.runtime.audit("counter").await.unwrap();
            assert_eq!(report.drift, []);
            events.push(report.events);
        }
        events
    };

    let ((), events) = tokio::join!(writers, audits);

    assert!(events.len() > 2 && events.is_sorted(), "{events:?}");
    assert!(events.first() < events.last(), "{events:?}");
    let report = node.runtime.audit("counter").await.unwrap();
    assert_eq!((report.drift.as_slice(), report.events), ([].as_slice(), 720));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_projection_with_parked_events_never_looks_damaged() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(2), POISON).await;
    let is_over = AtomicBool::new(false);
    let writer = async {
        for amount in 1..=60 {
            for counter in 1..=5 {
                world.add(id(counter), amount).await;
            }
            if amount == 30 {
                world.db.execute_unprepared("INSERT INTO repaired DEFAULT VALUES").await.unwrap();
            }
            if amount % 10 == 0 {
                tally.runtime.redrive(GROUP, Some(id(2))).await.unwrap();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let audits = async {
        let mut events = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let report = tally.runtime.audit(GROUP).await.unwrap();
            assert_eq!(report.drift, []);
            events.push(report.events);
        }
        events
    };
    let ((), events) = tokio::join!(writer, audits);
    assert!(events.len() > 2 && events.first() < events.last(), "{events:?}");

    eventually(LIMIT, || async {
        tally.runtime.redrive(GROUP, Some(id(2))).await?;
        world.settled().await
    })
    .await;
    assert_eq!(tally.runtime.audit(GROUP).await.unwrap().drift, []);
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_gives_way_to_a_rebuild() {
    let world = World::new(1).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add(id(1), LOCKED).await;
    eventually(LIMIT, || world.settled()).await;

    let lock = world.lock().await;
    let rebuild = async {
        eventually(LIMIT, || world.handler_waits()).await;
        tally.runtime.rebuild(GROUP).await
    };
    let release = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objsubid = 2
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        eventually(LIMIT, || async {
            ensure!(world.number(waits).await? == 1);
            Ok(())
        })
        .await;
        lock.rollback().await.unwrap();
    };
    let (outcome, done, ()) = tokio::join!(tally.runtime.audit(GROUP), rebuild, release);

    assert!(matches!(outcome, Err(OperatorError::Audit(AuditError::Busy))), "{outcome:?}");
    done.unwrap();
    world.settled().await.unwrap();
    relay.stop().await;
    tally.stop().await;
}

/// Totals whose first changes are swept.
struct Swept;

#[async_trait]
impl InlineProjection<CounterEvent> for Swept {
    fn tables(&self) -> &'static [&'static str] {
        Totals.tables()
    }

    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        Totals.not_derived()
    }

    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        &[("change", "version < 3")]
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
async fn audits_in_the_background_find_damage_by_themselves_and_pass_over_what_was_swept() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    record(&counters, 1, 1).await;
    record(&counters, 1, 2).await;
    let builder = RuntimeBuilder::new(world.post.clone(), world.redis.url())
        .read_model(Swept)
        .audit_every(Duration::from_millis(500));
    let node = Node::start(builder.build());
    world.post.db().execute_unprepared("DELETE FROM change WHERE version = 2").await.unwrap();
    let drift = || world.number("SELECT coalesce(drift_rows, -1) FROM post.projection_audit");
    let is = |expected: i64| async move {
        let drift = drift().await?;
        ensure!(drift == expected, "{drift} rows");
        Ok(())
    };

    eventually(LIMIT, || is(0)).await;
    world.post.db().execute_unprepared("DELETE FROM change WHERE version = 4").await.unwrap();
    eventually(LIMIT, || is(1)).await;
    node.stop().await;
}

/// Totals that cannot be made again.
#[derive(Clone, Default)]
struct Broken {
    tried: Arc<Mutex<Vec<Instant>>>,
}

#[async_trait]
impl InlineProjection<CounterEvent> for Broken {
    fn tables(&self) -> &'static [&'static str] {
        Totals.tables()
    }

    async fn apply(
        &self,
        _: &DatabaseTransaction,
        _: &Recorded<CounterEvent>,
    ) -> Result<(), DbErr> {
        self.tried.lock().unwrap().push(Instant::now());
        Err(DbErr::Custom("no".to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_failed_is_not_tried_again_before_its_time() {
    let world = World::new(1).await;
    let counters = totals::lay_out(&world).await;
    record(&counters, 1, 1).await;
    let (broken, interval) = (Broken::default(), Duration::from_secs(1));
    let builder = RuntimeBuilder::new(world.post.clone(), world.redis.url())
        .read_model(broken.clone())
        .audit_every(interval);
    let node = Node::start(builder.build());

    eventually(LIMIT, || async { broken.tried.lock().unwrap().len() >= 2 }).await;
    let tried = broken.tried.lock().unwrap().clone();
    assert!(tried[1] - tried[0] >= interval, "{:?}", tried[1] - tried[0]);
    node.stop().await;
}
