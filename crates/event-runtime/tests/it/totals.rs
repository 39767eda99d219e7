//! The producer's own view of its counters: totals and labels.

use async_trait::async_trait;
use event_runtime::{
    EventStore, Expected, InlineProjection, Recorded, RuntimeBuilder, Streams, UnitOfWork,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::envelope::Metadata;

use crate::{
    counter::{Counter, CounterEvent},
    world::{Node, World, id},
};

/// Every kind of thing that a table can have, so that an exchange can lose it.
const TABLES: &str = "
CREATE TABLE totals (
    id uuid NOT NULL,
    total bigint NOT NULL,
    label text,
    version bigint NOT NULL,
    CONSTRAINT totals_by_another_name PRIMARY KEY (id),
    CONSTRAINT totals_version_positive CHECK (version > 0)
) WITH (fillfactor = 70);
COMMENT ON TABLE totals IS 'what counters come to';
CREATE INDEX totals_labelled ON totals (label DESC, id) WHERE label IS NOT NULL;
CREATE TABLE change (
    id bigint GENERATED ALWAYS AS IDENTITY,
    counter_id uuid NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT change_pkey PRIMARY KEY (id),
    CONSTRAINT change_once UNIQUE (counter_id, version),
    CONSTRAINT change_of_counter FOREIGN KEY (counter_id) REFERENCES totals ON DELETE CASCADE DEFERRABLE
);
CREATE FUNCTION even() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := abs(NEW.version); RETURN NEW; END $$;
CREATE TRIGGER change_even BEFORE INSERT ON change FOR EACH ROW EXECUTE FUNCTION even();
";

/// Totals, and one row for each change.
pub(crate) struct Totals;

#[async_trait]
impl InlineProjection<CounterEvent> for Totals {
    fn tables(&self) -> &'static [&'static str] {
        &["totals", "change"]
    }

    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        &[("change", "id")]
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
               ON CONFLICT ON CONSTRAINT totals_by_another_name DO UPDATE
                 SET total = totals.total + EXCLUDED.total, label = coalesce(EXCLUDED.label, totals.label),
                     version = EXCLUDED.version"
        ))
        .await?;
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO change (counter_id, version) VALUES ({id}, {version})"
        ))
        .await?;
        Ok(())
    }
}

/// Makes the tables.
pub(crate) async fn lay_out(world: &World) -> Streams<Counter> {
    lay_out_in(&world.post).await
}

/// The same in any store.
pub(crate) async fn lay_out_in(store: &EventStore) -> Streams<Counter> {
    store.db().execute_unprepared(TABLES).await.unwrap();
    Streams::<Counter>::new(store.clone(), Totals)
}

/// The producer, with its view.
pub(crate) fn node(world: &World) -> Node {
    let builder = RuntimeBuilder::new(world.post.clone(), world.redis.url()).read_model(Totals);
    Node::start(builder.build())
}

/// Records an addition and a label.
pub(crate) async fn record(counters: &Streams<Counter>, counter: u128, round: i64) {
    let work = counters.store().begin().await.unwrap();
    record_in(&work, counters, counter, round).await;
    work.commit().await.unwrap();
}

/// The same in a transaction that is still open afterwards.
pub(crate) async fn record_in(
    work: &UnitOfWork,
    counters: &Streams<Counter>,
    counter: u128,
    round: i64,
) {
    let label = format!("round {round}");
    counters
        .execute_in::<std::convert::Infallible>(
            work,
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

/// All rows, as they are now.
pub(crate) async fn rows(store: &EventStore) -> serde_json::Value {
    let row = store
        .db()
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT jsonb_build_array(
               (SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM totals t),
               (SELECT jsonb_agg(to_jsonb(c) - 'id' ORDER BY counter_id, version) FROM change c)) AS rows"
        ))
        .await
        .unwrap()
        .unwrap();
    row.try_get("", "rows").unwrap()
}

/// What the rows must be, by the events alone.
pub(crate) async fn expected(store: &EventStore) -> serde_json::Value {
    let row = store
        .db()
        .query_one_raw(raw_sql!(
            Postgres,
            "WITH e AS (SELECT aggregate_id AS id, aggregate_version AS version, data FROM event)
             SELECT jsonb_build_array(
               (SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM (
                  SELECT id, sum(coalesce((data ->> 'amount')::bigint, 0))::bigint AS total, max(version) AS version,
                         (array_agg(data ->> 'label' ORDER BY version DESC) FILTER (WHERE data ? 'label'))[1] AS label
                    FROM e GROUP BY id) t),
               (SELECT jsonb_agg(jsonb_build_object('counter_id', id, 'version', version) ORDER BY id, version)
                  FROM e)) AS rows"
        ))
        .await
        .unwrap()
        .unwrap();
    row.try_get("", "rows").unwrap()
}
