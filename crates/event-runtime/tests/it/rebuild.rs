//! Rebuilding: every read model can be made again from events, and is the same.

use async_trait::async_trait;
use event_runtime::{
    Expected, InlineProjection, Recorded, RuntimeBuilder, Streams, runtime::Rebuilt,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::envelope::Metadata;
use test_kit::eventually;

use crate::{
    counter::{Counter, CounterEvent, GROUP},
    world::{LIMIT, Node, World, id},
};

/// The producer's own view: totals and labels.
struct Totals;

#[async_trait]
impl InlineProjection<CounterEvent> for Totals {
    fn tables(&self) -> &'static [&'static str] {
        &["totals"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<CounterEvent>,
    ) -> Result<(), DbErr> {
        let (id, version) = (recorded.aggregate_id, recorded.version.0);
        let (amount, label) = match &recorded.event {
            CounterEvent::Added { amount } => (*amount, None),
            CounterEvent::Labelled { label } => (0, Some(label.clone())),
        };
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO totals (id, total, label, version) VALUES ({id}, {amount}, {label}, {version})
               ON CONFLICT (id) DO UPDATE SET total = totals.total + EXCLUDED.total,
                 label = coalesce(EXCLUDED.label, totals.label), version = EXCLUDED.version"
        ))
        .await?;
        Ok(())
    }
}

async fn totals(world: &World) -> serde_json::Value {
    let row = world
        .post
        .db()
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY id), '[]'::jsonb) AS rows FROM totals t"
        ))
        .await
        .unwrap()
        .unwrap();
    row.try_get("", "rows").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_model_made_from_the_store_is_the_one_that_grew_with_it() {
    let world = World::new(1).await;
    let table =
        "CREATE TABLE totals (id uuid PRIMARY KEY, total bigint, label text, version bigint)";
    world.post.db().execute_unprepared(table).await.unwrap();
    let counters = Streams::<Counter>::new(world.post.clone(), Totals);
    let builder = RuntimeBuilder::new(world.post.clone(), world.redis.url()).read_model(Totals);
    let node = Node::start(builder.build());
    let record = |counter: u128, round: i64| {
        let counters = counters.clone();
        async move {
            let label = format!("round {round}");
            counters
                .execute::<std::convert::Infallible>(
                    id(counter),
                    Expected::Any,
                    &Metadata::default(),
                    |_| {
                        Ok(vec![
                            CounterEvent::Added { amount: round },
                            CounterEvent::Labelled { label: label.clone() },
                        ])
                    },
                )
                .await
                .unwrap();
        }
    };
    for round in 0..10 {
        record(1, round).await;
        record(2, round).await;
    }

    let grown = totals(&world).await;
    let spoil =
        "UPDATE totals SET total = 0, label = 'spoilt'; DELETE FROM totals WHERE version > 19";
    world.post.db().execute_unprepared(spoil).await.unwrap();
    assert_eq!(node.runtime.rebuild("counter").await.unwrap(), Rebuilt::FromStore(40));
    assert_eq!(totals(&world).await, grown);

    // And while others record.
    let writer = async {
        for round in 0..40 {
            record(3, round).await;
        }
    };
    let rebuilds = async {
        for _ in 0..10 {
            node.runtime.rebuild("counter").await.unwrap();
        }
    };
    tokio::join!(writer, rebuilds);
    let after = totals(&world).await;
    node.runtime.rebuild("counter").await.unwrap();
    assert_eq!(totals(&world).await, after);
    assert_eq!(after[2]["version"], 80);
    node.stop().await;
}

#[tokio::test]
async fn a_projection_of_others_events_starts_over_and_comes_to_the_same_rows() {
    let world = World::new(2).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 10).await;
    eventually(LIMIT, || world.settled()).await;

    for _ in 0..2 {
        let spoil = "UPDATE tally SET total = -1; DELETE FROM tally_log WHERE id % 3 = 0";
        world.db.execute_unprepared(spoil).await.unwrap();
        assert_eq!(tally.runtime.rebuild(GROUP).await.unwrap(), Rebuilt::Restarted);
        world.add_many(4, 2).await;
        eventually(LIMIT, || world.settled()).await;
    }
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
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
