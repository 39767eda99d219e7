//! Two services, `post` that counts and `engagement` that tallies, and the program beside them.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{
    Aggregate, ApplyError, Clock, EventStore, Expected, MIGRATIONS, Projection, RecordedEvent,
    RuntimeBuilder, Streams,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, Statement, raw_sql};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_schemas::{Event, Service, envelope::Metadata};
use test_kit::{TestDatabase, TestRedis, eventually};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Longer than anything takes that is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The group of [`Tally`].
pub(crate) const GROUP: &str = "engagement.tally";

/// The amount that is rejected until the table `repaired` has a row.
pub(crate) const POISON: i64 = 13;

/// The stream of the one partition.
pub(crate) const KEY: &str = "ev:{post.p0}:e1";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum CounterEvent {
    #[serde(rename = "counter.added.v1")]
    Added { amount: i64 },
}

impl Event for CounterEvent {
    const CATEGORY: &'static str = "counter";
    const SERVICE: Service = Service::Post;
}

#[derive(Default)]
struct Counter;

impl Aggregate for Counter {
    type Id = Uuid;
    type Event = CounterEvent;

    fn evolve(self, _: &CounterEvent) -> Self {
        self
    }
}

struct Tally;

#[async_trait]
impl Projection for Tally {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tally"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let Some(recorded) = event.open::<CounterEvent>()? else { return Ok(()) };
        let CounterEvent::Added { amount } = recorded.event;
        let repaired =
            txn.query_one_raw(raw_sql!(Postgres, "SELECT FROM repaired LIMIT 1")).await?;
        if amount == POISON && repaired.is_none() {
            return Err(ApplyError::reject("refused", "amount 13"));
        }
        let id = recorded.aggregate_id;
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO tally (counter_id, total) VALUES ({id}, {amount})
               ON CONFLICT (counter_id) DO UPDATE SET total = tally.total + EXCLUDED.total"
        ))
        .await?;
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) redis: TestRedis,
    post: EventStore,
    engagement: EventStore,
    post_url: String,
    engagement_url: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (database, redis) = tokio::join!(TestDatabase::create(), TestRedis::start());
        let (database, redis) = (database.unwrap(), redis.unwrap());
        let (posts, tallies) =
            (store(&database, "post").await, store(&database, "engagement").await);
        tallies
            .execute_unprepared(
                "CREATE TABLE tally (counter_id uuid PRIMARY KEY, total bigint NOT NULL);
                 CREATE TABLE repaired (at timestamptz NOT NULL DEFAULT now())",
            )
            .await
            .unwrap();
        let open =
            async |db, service| EventStore::open(db, service, 1, Clock::System).await.unwrap();
        Self {
            post: open(posts, Service::Post).await,
            engagement: open(tallies, Service::Engagement).await,
            post_url: database.schema("post").await.unwrap(),
            engagement_url: database.schema("engagement").await.unwrap(),
            database,
            redis,
        }
    }

    /// Both services running, with these amounts added to counter 1 and applied.
    pub(crate) async fn with(amounts: &[i64]) -> (Self, Node, Node) {
        let world = Self::new().await;
        let (producer, consumer) = (world.producer(), world.consumer());
        for amount in amounts {
            world.add(1, *amount).await;
        }
        world.at(i64::try_from(amounts.len()).unwrap()).await;
        (world, producer, consumer)
    }

    /// The relay of `post`.
    pub(crate) fn producer(&self) -> Node {
        Node::start(RuntimeBuilder::new(self.post.clone(), self.redis.url()))
    }

    /// The projection of `engagement`.
    pub(crate) fn consumer(&self) -> Node {
        Node::start(
            RuntimeBuilder::new(self.engagement.clone(), self.redis.url()).projection(Tally),
        )
    }

    pub(crate) async fn add(&self, counter: u128, amount: i64) {
        let event = CounterEvent::Added { amount };
        Streams::<Counter>::without_read_model(self.post.clone())
            .execute::<std::convert::Infallible>(
                Uuid::from_u128(counter),
                Expected::Any,
                &Metadata::default(),
                |_| Ok(vec![event.clone()]),
            )
            .await
            .unwrap();
    }

    /// Waits until the group has come to a place.
    pub(crate) async fn at(&self, watermark: i64) {
        eventually(LIMIT, || async { self.watermark().await == watermark }).await;
    }

    pub(crate) async fn watermark(&self) -> i64 {
        self.number("SELECT coalesce(max(sequence), 0) FROM engagement.watermark").await
    }

    /// What counter 1 came to in the read model.
    pub(crate) async fn total(&self) -> i64 {
        self.number("SELECT coalesce(sum(total), 0)::bigint FROM engagement.tally").await
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "queries of the tests, without input")]
        let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, query);
        let row = self.post.db().query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    pub(crate) async fn execute(&self, statement: &str) {
        self.post.db().execute_unprepared(statement).await.unwrap();
    }

    /// How many actions of operators are written down, in both services.
    pub(crate) async fn actions(&self) -> i64 {
        self.number(
            "SELECT (SELECT count(*) FROM post.operator_action) + (SELECT count(*) FROM engagement.operator_action)",
        )
        .await
    }

    /// Runs the program with the services in its environment.
    pub(crate) async fn plctl(&self, arguments: &[&str]) -> Answer {
        let mut command = command(arguments);
        command
            .env("USER", "ada")
            .env("PLCTL_REDIS_URL", self.redis.url())
            .env("PLCTL_POST_DATABASE_URL", &self.post_url)
            .env("PLCTL_ENGAGEMENT_DATABASE_URL", &self.engagement_url);
        run(command).await
    }

    /// The report of a command that must work.
    pub(crate) async fn report(&self, arguments: &[&str]) -> Value {
        let answer = self.plctl(&[arguments, &["--json"]].concat()).await;
        assert!([0, 3].contains(&answer.code), "{arguments:?}: {answer:?}");
        answer.json()
    }
}

async fn store(database: &TestDatabase, schema: &str) -> DatabaseConnection {
    let db = database.connect(schema).await.unwrap();
    for (_, sql) in MIGRATIONS {
        db.execute_unprepared(sql).await.unwrap();
    }
    db
}

/// The program, with nothing in its environment, in a directory without a stack.
pub(crate) fn command(arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_plctl"));
    command.args(arguments).env_clear().current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn run(mut command: tokio::process::Command) -> Answer {
    let output = tokio::time::timeout(LIMIT, command.output()).await.unwrap().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// It was refused, in one line with these words.
    pub(crate) fn is_refusal(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.stderr.starts_with("refused: "), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` in {self:?}");
        }
    }
}

/// A service's runtime in this process.
pub(crate) struct Node {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    fn start(builder: RuntimeBuilder) -> Self {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        builder.build().start(&tasks, &shutdown).unwrap();
        Self { tasks, shutdown }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
