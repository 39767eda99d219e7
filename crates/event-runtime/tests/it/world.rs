//! Two services, `post` that records counters and `engagement` that tallies them, and the oracle over both.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use event_runtime::{
    Clock, EventStore, Expected, MIGRATIONS, Runtime, RuntimeBuilder, Streams, Version,
    operator::{Order, Site},
};
use fred::types::Value;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement, TransactionTrait,
};
use shared_schemas::{Service, envelope::Metadata};
use test_kit::{TestDatabase, TestRedis, stream_key};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::counter::{self, Counter, CounterEvent, LOCKED, Tally, Variant};

/// Longer than any recovery that is promised; a test that waits this long has failed.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The tables of [`Tally`], and the switch that repairs its handler.
const TABLES: &str = "
CREATE TABLE tally (counter_id uuid PRIMARY KEY, total bigint NOT NULL, version bigint NOT NULL);
CREATE TABLE tally_log (
    id bigint GENERATED ALWAYS AS IDENTITY, counter_id uuid NOT NULL, version bigint NOT NULL, amount bigint NOT NULL);
CREATE TABLE repaired (at timestamptz NOT NULL DEFAULT now());
";

async fn migrate(db: &DatabaseConnection) {
    for (_, sql) in MIGRATIONS {
        db.execute_unprepared(sql).await.unwrap();
    }
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) redis: TestRedis,
    pub(crate) partitions: u16,
    pub(crate) post_url: String,
    pub(crate) engagement_url: String,
    pub(crate) post: EventStore,
    /// For looking, and for faults of the test's own.
    pub(crate) db: DatabaseConnection,
}

impl World {
    pub(crate) async fn new(partitions: u16) -> Self {
        let (database, redis) = tokio::join!(TestDatabase::create(), TestRedis::start());
        let database = database.unwrap();
        let db = database.connect("engagement").await.unwrap();
        migrate(&db).await;
        db.execute_unprepared(TABLES).await.unwrap();
        let posts = database.connect("post").await.unwrap();
        migrate(&posts).await;
        Self::over(database, redis.unwrap(), partitions, db, posts).await
    }

    /// The same services on a database that has their tables already.
    pub(crate) async fn over(
        database: TestDatabase,
        redis: TestRedis,
        partitions: u16,
        db: DatabaseConnection,
        posts: DatabaseConnection,
    ) -> Self {
        Self {
            post_url: database.schema("post").await.unwrap(),
            engagement_url: database.schema("engagement").await.unwrap(),
            post: EventStore::open(posts, Service::Post, partitions, Clock::System).await.unwrap(),
            database,
            redis,
            partitions,
            db,
        }
    }

    pub(crate) fn counters(&self) -> Streams<Counter> {
        Streams::without_read_model(self.post.clone())
    }

    pub(crate) async fn add(&self, id: Uuid, amount: i64) -> Version {
        self.try_add(id, amount).await.unwrap()
    }

    pub(crate) async fn try_add(&self, id: Uuid, amount: i64) -> Result<Version> {
        let event = CounterEvent::Added { amount };
        let added = self
            .counters()
            .execute::<std::convert::Infallible>(id, Expected::Any, &Metadata::default(), |_| {
                Ok(vec![event.clone()])
            })
            .await?;
        Ok(added)
    }

    /// Adds 1, 2, … `events` to each of the counters 1 … `counters`.
    pub(crate) async fn add_many(&self, counters: u128, events: i64) {
        for amount in 1..=events {
            for counter in 1..=counters {
                self.add(id(counter), amount).await;
            }
        }
    }

    /// What [`add_many`](Self::add_many) does to new counters, at once and in large numbers.
    pub(crate) async fn add_at_once(&self, counters: u32, events: u32) {
        self.add_at_once_after(counters, 0, events).await;
    }

    /// The same for counters that have `before` events each.
    pub(crate) async fn add_at_once_after(&self, counters: u32, before: u32, events: u32) {
        let (first, last) = (before + 1, before + events);
        let insert = format!(
            "WITH appended AS (
               INSERT INTO post.event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data, metadata,
                                       occurred_at)
                 SELECT gen_random_uuid(), 'counter', lpad(to_hex(counter), 32, '0')::uuid, version, 'counter.added.v1', true,
                        jsonb_build_object('amount', version), '{{}}', now()
                   FROM generate_series(1, {counters}) counter, generate_series({first}, {last}) version
                   ORDER BY version, counter
                 RETURNING position, aggregate_id
             ), heads AS (
               INSERT INTO post.aggregate_head (aggregate_type, aggregate_id, version)
                 SELECT DISTINCT 'counter', aggregate_id, {last}::bigint FROM appended
                 ON CONFLICT ON CONSTRAINT aggregate_head_pkey DO UPDATE SET version = EXCLUDED.version
             )
             INSERT INTO post.outbox (position, aggregate_hash)
               SELECT position, ('x' || right(replace(aggregate_id::text, '-', ''), 16))::bit(64)::bigint FROM appended"
        );
        self.db.execute_unprepared(&insert).await.unwrap();
    }

    /// Makes a stream forget everything before a sequence number.
    pub(crate) async fn trim(&self, partition: u16, before: u64) {
        let (key, id) = (stream_key(Service::Post, partition), format!("{before}-0"));
        let () = self.redis.command(&["XTRIM", &key, "MINID", &id]).await.unwrap();
    }

    /// The relay of `post`, in this process.
    pub(crate) fn relay(&self) -> Node {
        self.relay_via(&self.redis.url())
    }

    pub(crate) fn relay_via(&self, redis_url: &str) -> Node {
        Node::start(RuntimeBuilder::new(self.post.clone(), redis_url.to_owned()).build())
    }

    /// The projection of `engagement`, in this process.
    pub(crate) async fn tally(&self) -> Node {
        self.tally_via(&self.redis.url(), &self.engagement_url).await
    }

    pub(crate) async fn tally_via(&self, redis_url: &str, database_url: &str) -> Node {
        let store = self.engagement(database_url).await;
        let builder = RuntimeBuilder::new(store, redis_url.to_owned()).projection(Tally);
        Node::start(builder.build())
    }

    /// The projection of `engagement`, declared as `variant` says.
    pub(crate) async fn tally_as(&self, variant: Variant) -> Node {
        let store = self.engagement(&self.engagement_url).await;
        let builder = RuntimeBuilder::new(store, self.redis.url()).projection(variant);
        Node::start(builder.build())
    }

    pub(crate) async fn engagement(&self, database_url: &str) -> EventStore {
        let mut options = sea_orm::ConnectOptions::new(database_url);
        options.max_connections(10).sqlx_logging(false).acquire_timeout(Duration::from_secs(5));
        let db = sea_orm::Database::connect(options).await.unwrap();
        EventStore::open(db, Service::Engagement, self.partitions, Clock::System).await.unwrap()
    }

    /// Takes the lock for which the handler of [`LOCKED`] waits; it is given back when the transaction ends.
    pub(crate) async fn lock(&self) -> DatabaseTransaction {
        let txn = self.db.begin().await.unwrap();
        txn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCKED})")).await.unwrap();
        txn
    }

    /// Whether a handler waits for that lock.
    pub(crate) async fn handler_waits(&self) -> Result<()> {
        let waits = self
            .number(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .await?;
        ensure!(waits == 1, "{waits} handlers wait");
        Ok(())
    }

    /// How many connections wait for what others have locked, short of handlers that wait for [`LOCKED`].
    pub(crate) async fn waiting_for_rows(&self) -> Result<i64> {
        self.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
               AND wait_event_type = 'Lock' AND wait_event <> 'advisory'",
        )
        .await
    }

    /// A service as an operator reaches it, and an order of that operator's.
    pub(crate) async fn site(&self, service: Service) -> (Site, Order) {
        let db = self.database.connect(service.as_str()).await.unwrap();
        let redis = self.redis.client().clone();
        let (operator, reason) = ("ada".to_owned(), Some("a test".to_owned()));
        (Site { service, db, redis }, Order { operator, reason, dry_run: false })
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, query: &str) -> Result<i64> {
        self.value(query).await?.as_i64().context("not a number")
    }

    async fn value(&self, query: &str) -> Result<serde_json::Value> {
        let wrapped = format!("SELECT to_jsonb((SELECT * FROM ({query}) q)) AS value");
        #[expect(clippy::disallowed_methods, reason = "queries of the tests, without input")]
        let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, wrapped);
        let row = self.db.query_one_raw(statement).await?.context("no row")?;
        let value: Option<serde_json::Value> = row.try_get("", "value")?;
        Ok(value.unwrap_or(serde_json::Value::Null))
    }

    /// Every event that has a place in public has one number, numbers have no holes, and the order within a counter is that
    /// of its versions; the streams say the same.
    pub(crate) async fn published(&self) -> Result<()> {
        let waiting = self
            .number(
                "SELECT count(*) FROM post.event e
                   WHERE e.is_public AND NOT EXISTS (SELECT FROM post.publication p WHERE p.position = e.position)",
            )
            .await?;
        ensure!(waiting == 0, "{waiting} events have no sequence number");
        let disorder = self
            .number(
                "SELECT count(*) FROM (
                   SELECT e.aggregate_version < lag(e.aggregate_version)
                            OVER (PARTITION BY e.aggregate_id ORDER BY p.sequence) AS is_late,
                          p.sequence <> row_number() OVER (PARTITION BY p.partition ORDER BY p.sequence) AS is_hole
                     FROM post.publication p JOIN post.event e USING (position)) places
                   WHERE is_late OR is_hole",
            )
            .await?;
        ensure!(disorder == 0, "{disorder} events are out of order or after a hole");
        for partition in 0..self.partitions {
            let stored = self
                .value(&format!(
                    "SELECT coalesce(jsonb_agg(jsonb_build_array(p.sequence || '-0', e.id) ORDER BY p.sequence), '[]')
                       FROM post.publication p JOIN post.event e USING (position) WHERE p.partition = {partition}"
                ))
                .await?;
            let stored: Vec<(String, String)> = serde_json::from_value(stored)?;
            let streamed = self.entries(partition).await?;
            ensure!(
                stored == streamed,
                "partition {partition}: {} stored, {} in the stream, first difference {:?}",
                stored.len(),
                streamed.len(),
                stored.iter().zip(&streamed).find(|(stored, streamed)| stored != streamed)
            );
        }
        Ok(())
    }

    /// Entry id and event id of everything in a stream.
    pub(crate) async fn entries(&self, partition: u16) -> Result<Vec<(String, String)>> {
        let key = stream_key(Service::Post, partition);
        let entries: Vec<Value> = self.redis.command(&["XRANGE", &key, "-", "+"]).await?;
        entries
            .into_iter()
            .map(|entry| {
                let (id, fields): (String, BTreeMap<String, String>) = entry.convert()?;
                // The first line, or all of an entry that a test wrote.
                let event = fields.get("e").and_then(|event| event.lines().next());
                let id_alone = fields.get("i").map(String::as_str);
                Ok((id, event.or(id_alone).context("no event id")?.to_owned()))
            })
            .collect()
    }

    /// Every public event took effect, once, in the order of its counter.
    pub(crate) async fn applied(&self) -> Result<()> {
        self.applied_but(Uuid::nil()).await
    }

    /// The same for all counters except one.
    pub(crate) async fn applied_but(&self, except: Uuid) -> Result<()> {
        let recorded = self
            .value(&format!(
                "SELECT coalesce(jsonb_object_agg(id, history), '{{}}') FROM (
                   SELECT aggregate_id AS id, jsonb_agg(jsonb_build_array(aggregate_version, data -> 'amount')
                                                        ORDER BY aggregate_version) AS history
                     FROM post.event
                     WHERE is_public AND aggregate_type = 'counter' AND aggregate_id <> '{except}' GROUP BY 1) e"
            ))
            .await?;
        let effects = self
            .value(&format!(
                "SELECT coalesce(jsonb_object_agg(id, history), '{{}}') FROM (
                   SELECT counter_id AS id, jsonb_agg(jsonb_build_array(version, amount) ORDER BY id) AS history
                     FROM engagement.tally_log WHERE counter_id <> '{except}' GROUP BY 1) e"
            ))
            .await?;
        let (recorded, effects) = (recorded.as_object().unwrap(), effects.as_object().unwrap());
        for (id, history) in recorded {
            ensure!(
                effects.get(id) == Some(history),
                "counter {id}: recorded {history}, took effect {:?}",
                effects.get(id).map(ToString::to_string)
            );
        }
        ensure!(recorded.len() == effects.len(), "effects without events");
        let wrong = self
            .number(
                "SELECT count(*) FROM engagement.tally t JOIN (
                   SELECT counter_id, sum(amount)::bigint AS total, max(version) AS version
                     FROM engagement.tally_log GROUP BY 1) l USING (counter_id)
                   WHERE (t.total, t.version) <> (l.total, l.version)",
            )
            .await?;
        ensure!(wrong == 0, "{wrong} totals differ from their log");
        Ok(())
    }

    /// All of it: stored, published, applied.
    pub(crate) async fn settled(&self) -> Result<()> {
        self.published().await?;
        self.applied().await
    }

    /// Entries that were delivered to the group and not acknowledged, in one partition.
    pub(crate) async fn pending(&self, partition: u16) -> Result<u64> {
        let key = stream_key(Service::Post, partition);
        let summary: Vec<Value> = self.redis.command(&["XPENDING", &key, counter::GROUP]).await?;
        Ok(summary.into_iter().next().context("no summary")?.convert()?)
    }

    /// The entry up to which the group has been handed everything, in one partition.
    pub(crate) async fn delivered(&self, partition: u16) -> Result<String> {
        let key = stream_key(Service::Post, partition);
        let groups: Vec<BTreeMap<String, Value>> =
            self.redis.command(&["XINFO", "GROUPS", &key]).await?;
        let group = groups.first().context("no group")?;
        group.get("last-delivered-id").and_then(Value::as_string).context("no id")
    }

    /// The consumer's watermark in one partition.
    pub(crate) async fn watermark(&self, partition: u16) -> Result<i64> {
        self.number(&format!(
            "SELECT coalesce(max(sequence), 0) FROM engagement.watermark WHERE partition = {partition}"
        ))
        .await
    }
}

/// A runtime in this process.
pub(crate) struct Node {
    pub(crate) runtime: Runtime,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    pub(crate) fn start(runtime: Runtime) -> Self {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        runtime.start(&tasks, &shutdown).unwrap();
        Self { runtime, tasks, shutdown }
    }

    /// Stops as a service does on SIGTERM, and says how long it took.
    pub(crate) async fn stop(self) -> Duration {
        let started = std::time::Instant::now();
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        started.elapsed()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The counter of that number.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}
