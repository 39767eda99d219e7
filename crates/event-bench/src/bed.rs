//! What everything runs on: private servers, and for every measurement an empty Redis and new databases.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use event_runtime::{Clock, EventStore, MIGRATIONS, Streams};
use local_stack::{
    binaries::PostgresBinaries,
    ports::free_port,
    postgres::{Postgres, PostgresOptions},
    process::ProcessId,
    redis::RedisServer,
};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, FromQueryResult, Statement,
    raw_sql,
};
use shared_schemas::Service;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    figures::Processor,
    sample::{Sample, TABLES, text},
};

/// The password of a server that only this program reaches.
const PASSWORD: &str = "bench-only";

/// The private servers.
pub(crate) struct Ground {
    pub(crate) postgres: Postgres,
    pub(crate) redis: RedisServer,
    /// How many beds have been made.
    beds: u32,
    directory: TempDir,
}

impl Ground {
    pub(crate) async fn start() -> Result<Self> {
        let directory = local_stack::scratch_dir()?;
        let mut postgres = Postgres::start(PostgresOptions {
            binaries: PostgresBinaries::locate()?,
            dir: directory.path().to_owned(),
            port: free_port()?,
            admin_password: PASSWORD.to_owned(),
            durable: true,
        })
        .await?;
        // The time at which an effect was committed is then in the database, and measuring costs nothing.
        postgres.execute("postgres", "ALTER SYSTEM SET track_commit_timestamp = on;").await?;
        postgres.restart().await?;
        let redis = RedisServer::start_bare(directory.path()).await?;
        Ok(Self { postgres, redis, beds: 0, directory })
    }

    /// Where the servers keep their files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Empty schemas for a producer and a consumer, and an empty Redis.
    pub(crate) async fn bed(&mut self, partitions: u16) -> Result<Bed> {
        let redis = self.redis_client().await?;
        fred::interfaces::ClientLike::flushall::<()>(&redis, false).await?;
        if self.beds > 0 {
            self.postgres.drop_database(&format!("bed_{}", self.beds)).await?;
        }
        self.beds += 1;
        let name = format!("bed_{}", self.beds);
        self.postgres.create_database(&name, None).await?;
        // What the last measurement wrote must not be written to disk during this one.
        self.postgres.execute("postgres", "CHECKPOINT;").await?;
        Bed::new(self.postgres.admin_url(&name), self.redis.url(), redis, partitions).await
    }

    /// Processor time used so far.
    pub(crate) fn processor(&self) -> Result<Processor> {
        let pid = |id: Option<&ProcessId>| -> Result<u32> {
            Ok(u32::try_from(id.context("a server is gone")?.pid)?)
        };
        Processor::now(pid(self.redis.process_id())?, pid(self.postgres.process_id())?)
    }

    /// A client for looking, apart from those that are measured.
    pub(crate) async fn redis_client(&self) -> Result<fred::clients::Client> {
        let client = event_runtime::redis::connect(&self.redis.url())?;
        fred::interfaces::ClientLike::wait_for_connect(&client).await?;
        Ok(client)
    }
}

/// A producer's and a consumer's schema over one Redis.
pub(crate) struct Bed {
    pub(crate) post_url: String,
    pub(crate) engagement_url: String,
    pub(crate) redis_url: String,
    pub(crate) redis: fred::clients::Client,
    pub(crate) partitions: u16,
    pub(crate) post: EventStore,
    pub(crate) engagement: EventStore,
    /// For looking, apart from the pools that are measured.
    pub(crate) db: DatabaseConnection,
}

/// Connections of one process of a service.
const POOL: u32 = 20;

/// A pool of a service, or of this program's eyes.
pub(crate) async fn pool(url: &str, connections: u32) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(connections.min(4))
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(5));
    Ok(Database::connect(options).await?)
}

/// The store of a service that is migrated already.
pub(crate) async fn store(url: &str, service: Service, partitions: u16) -> Result<EventStore> {
    Ok(EventStore::open(pool(url, POOL).await?, service, partitions, Clock::System).await?)
}

impl Bed {
    async fn new(
        url: String,
        redis_url: String,
        redis: fred::clients::Client,
        partitions: u16,
    ) -> Result<Self> {
        let in_schema = |schema: &str| format!("{url}?options=-c%20search_path%3D{schema}");
        let (post_url, engagement_url) = (in_schema("post"), in_schema("engagement"));
        let db = pool(&url, 4).await?;
        for (schema, url) in [("post", &post_url), ("engagement", &engagement_url)] {
            db.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await?;
            let service = pool(url, 1).await?;
            for (_, migration) in MIGRATIONS {
                service.execute_unprepared(migration).await?;
            }
            service.close().await?;
        }
        let post = store(&post_url, Service::Post, partitions).await?;
        let engagement = store(&engagement_url, Service::Engagement, partitions).await?;
        engagement.db().execute_unprepared(TABLES).await?;
        Ok(Self { post_url, engagement_url, redis_url, redis, partitions, post, engagement, db })
    }

    pub(crate) fn samples(&self) -> Streams<Sample> {
        Streams::without_read_model(self.post.clone())
    }

    /// Records events as if `aggregates` aggregates had taken turns; they wait in the outbox.
    pub(crate) async fn record(&self, events: u64, aggregates: u64) -> Result<()> {
        self.record_with(events, aggregates, &text()).await
    }

    /// The same with a text of the caller's.
    pub(crate) async fn record_with(&self, events: u64, aggregates: u64, text: &str) -> Result<()> {
        let (events, aggregates) = (i64::try_from(events)?, i64::try_from(aggregates)?);
        let db = self.post.db();
        db.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data, metadata, occurred_at)
               SELECT gen_random_uuid(), 'sample', lpad(to_hex(n % {aggregates} + 1), 32, '0')::uuid, n / {aggregates} + 1,
                      'sample.taken.v1', true, jsonb_build_object('text', {text}::text), jsonb_build_object(),
                      clock_timestamp()
                 FROM generate_series(0, {events} - 1) AS n ORDER BY n"
        ))
        .await?;
        db.execute_unprepared(
            "INSERT INTO aggregate_head (aggregate_type, aggregate_id, version)
               SELECT aggregate_type, aggregate_id, max(aggregate_version) FROM event GROUP BY 1, 2;
             INSERT INTO outbox (position, aggregate_hash)
               SELECT position, ('x' || right(replace(aggregate_id::text, '-', ''), 16))::bit(64)::bigint & 9223372036854775807
                 FROM event;
             ANALYZE event",
        )
        .await?;
        Ok(())
    }

    /// Numbers what waits in the outbox, as the relay would.
    pub(crate) async fn number(&self) -> Result<()> {
        self.post
            .db()
            .execute_unprepared(&format!(
                "INSERT INTO publication (partition, sequence, position)
                   SELECT aggregate_hash % {0}, row_number() OVER (PARTITION BY aggregate_hash % {0} ORDER BY position), position
                     FROM outbox;
                 UPDATE publication_head h
                    SET sequence = (SELECT count(*) FROM publication p WHERE p.partition = h.partition);
                 DELETE FROM outbox; ANALYZE publication; CHECKPOINT",
                self.partitions
            ))
            .await?;
        Ok(())
    }

    /// The one number that a query over both schemas gives.
    pub(crate) async fn number_of(&self, query: &str) -> Result<i64> {
        let values = self.values(&format!("SELECT ({query})::float8 AS value")).await?;
        Ok(values.first().copied().context("no row")? as i64)
    }

    /// The numbers in the column `value` of a query.
    pub(crate) async fn values(&self, query: &str) -> Result<Vec<f64>> {
        #[derive(FromQueryResult)]
        struct Row {
            value: f64,
        }
        #[expect(clippy::disallowed_methods, reason = "queries of this program, without input")]
        let statement = Statement::from_string(sea_orm::DbBackend::Postgres, query);
        let rows = Row::find_by_statement(statement).all(&self.db).await?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// How far a group has come in all partitions together.
    pub(crate) async fn watermark(&self, group: &str) -> Result<u64> {
        let query = format!(
            "SELECT coalesce(sum(sequence), 0) FROM engagement.watermark WHERE consumer_group = '{group}'"
        );
        Ok(u64::try_from(self.number_of(&query).await?)?)
    }

    /// Waits until a group has come so far.
    pub(crate) async fn reached(&self, group: &str, events: u64, limit: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let reached = self.watermark(group).await?;
            if reached >= events {
                return Ok(());
            }
            anyhow::ensure!(
                began.elapsed() < limit,
                "{group} has reached {reached} of {events} after {limit:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Ground {
    /// The versions of both servers.
    pub(crate) async fn versions(&self) -> Result<(String, String)> {
        let redis = self.redis_client().await?;
        let info: String =
            fred::interfaces::ClientLike::info(&redis, Some(fred::types::InfoKind::Server)).await?;
        let redis = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let db = pool(&self.postgres.admin_url("postgres"), 1).await?;
        let row = db.query_one_raw(raw_sql!(Postgres, "SHOW server_version")).await?;
        let postgres: String = row.context("no version")?.try_get("", "server_version")?;
        Ok((redis.context("no version")?.trim().to_owned(), format!("PostgreSQL {postgres}")))
    }
}
