//! Reacting: a command of one's own and a job for the outside world, once per event.

use async_trait::async_trait;
use event_runtime::{
    Aggregate, ApplyError, Expected, Job, JobOutcome, JobWorker, Reactor, RecordedEvent,
    RuntimeBuilder, Streams, UnitOfWork,
};
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, EventId, Service};
use test_kit::{eventually, stream_key};

use crate::{
    counter::CounterEvent,
    world::{LIMIT, Node, World},
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum EchoEvent {
    #[serde(rename = "echo.heard.v1")]
    Heard { event_id: EventId },
}

impl Event for EchoEvent {
    const CATEGORY: &'static str = "echo";
    const SERVICE: Service = Service::Engagement;
}

#[derive(Default)]
struct Echo;

impl Aggregate for Echo {
    type Id = uuid::Uuid;
    type Event = EchoEvent;

    fn evolve(self, _: &EchoEvent) -> Self {
        self
    }
}

struct EchoReactor(Streams<Echo>);

#[async_trait]
impl Reactor for EchoReactor {
    fn group(&self) -> &'static str {
        "engagement.echo"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(recorded) = event.open::<CounterEvent>()? else { return Ok(()) };
        let heard = EchoEvent::Heard { event_id: recorded.id };
        self.0
            .execute_in::<std::convert::Infallible>(
                work,
                recorded.aggregate_id,
                Expected::Any,
                &recorded.consequence(),
                |_| Ok(vec![heard.clone()]),
            )
            .await?;
        work.enqueue("shout", &recorded.id.to_string(), &heard).await?;
        Ok(())
    }
}

/// Writes down that it ran, outside of the job's own transaction.
struct Shout(sea_orm::DatabaseConnection);

#[async_trait]
impl JobWorker for Shout {
    fn kind(&self) -> &'static str {
        "shout"
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        use sea_orm::ConnectionTrait as _;
        let key = &job.key;
        let shouted = self
            .0
            .execute_raw(sea_orm::raw_sql!(Postgres, "INSERT INTO shouted (key) VALUES ({key})"))
            .await;
        match shouted {
            Ok(_) => JobOutcome::Done,
            Err(error) => JobOutcome::Retry(Box::new(error)),
        }
    }
}

async fn echo(world: &World) -> Node {
    let store = world.engagement(&world.engagement_url).await;
    let reactor = EchoReactor(Streams::without_read_model(store.clone()));
    let builder = RuntimeBuilder::new(store, world.redis.url())
        .reactor(reactor)
        .worker(Shout(world.db.clone()));
    Node::start(builder.build())
}

#[tokio::test]
async fn a_reaction_happens_once_per_event_whatever_is_delivered_again() {
    use sea_orm::ConnectionTrait as _;
    let world = World::new(2).await;
    world.db.execute_unprepared("CREATE TABLE shouted (key text NOT NULL)").await.unwrap();
    let relay = world.relay();
    let mut node = echo(&world).await;
    for round in 0..4 {
        world.add_many(3, 3).await;
        match round {
            0 => world.redis.flushall().await.unwrap(),
            1 => {
                let key = stream_key(Service::Post, 0);
                let setid = ["XGROUP", "SETID", &key, "engagement.echo", "0"];
                // There is none for a moment if the owner is just making it again.
                drop(world.redis.command::<fred::types::Value>(&setid).await);
            }
            _ => {
                node.stop().await;
                node = echo(&world).await;
            }
        }
    }

    eventually(LIMIT, || async {
        let heard = world
            .number(
                "SELECT count(*) FROM post.event p FULL JOIN engagement.event e
                   ON (e.data ->> 'event_id')::uuid = p.id
                   WHERE p.id IS NOT NULL AND e.id IS NOT NULL
                     AND e.metadata ->> 'causation_id' = p.id::text",
            )
            .await?;
        let all = world.number("SELECT count(*) FROM engagement.event").await?;
        let shouted = world.number("SELECT count(DISTINCT key) FROM engagement.shouted").await?;
        let shouts = world.number("SELECT count(*) FROM engagement.shouted").await?;
        anyhow::ensure!(
            (heard, all, shouted, shouts) == (36, 36, 36, 36),
            "{heard} heard of {all} echoes, {shouted} shouted in {shouts} shouts"
        );
        Ok(())
    })
    .await;
    node.stop().await;
    relay.stop().await;
}

#[tokio::test]
async fn a_reactor_cannot_be_rebuilt() {
    let world = World::new(1).await;
    let node = echo(&world).await;

    assert!(node.runtime.rebuild("engagement.echo").await.is_err());
    assert!(node.runtime.redrive("engagement.nobody", None).await.is_err());
    node.stop().await;
}
