//! Reacting: a command of one's own and a job for the outside world, once per event.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use event_runtime::{
    Aggregate, ApplyError, Expected, Job, JobOutcome, JobWorker, Reactor, RecordedEvent,
    RuntimeBuilder, Streams, UnitOfWork,
};
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, EventId, Service};
use test_kit::{eventually, stream_key};
use uuid::Uuid;

use crate::{
    counter::CounterEvent,
    world::{LIMIT, Node, World, id},
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
    type Id = Uuid;
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

/// Reacts to many events in one go, unless one of them is unlucky.
struct Chorus {
    echoes: Streams<Echo>,
    most_at_once: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Reactor for Chorus {
    fn group(&self) -> &'static str {
        "engagement.chorus"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.react_all(work, std::slice::from_ref(event)).await
    }

    async fn react_all(
        &self,
        work: &UnitOfWork,
        events: &[RecordedEvent],
    ) -> Result<(), ApplyError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut heard: HashMap<Uuid, Vec<EchoEvent>> = HashMap::new();
        let mut commands = Vec::new();
        for event in events {
            let Some(recorded) = event.open::<CounterEvent>()? else { continue };
            if recorded.event == (CounterEvent::Added { amount: 13 }) {
                return Err(ApplyError::reject("unlucky", "13"));
            }
            heard
                .entry(recorded.aggregate_id)
                .or_default()
                .push(EchoEvent::Heard { event_id: recorded.id });
            commands.push((recorded.aggregate_id, recorded.consequence()));
        }
        self.most_at_once.fetch_max(events.len(), Ordering::Relaxed);
        self.echoes
            .execute_all_in::<std::convert::Infallible>(work, &commands, |id, _| {
                heard.get(&id).cloned().unwrap_or_default()
            })
            .await?;
        Ok(())
    }
}

#[tokio::test]
async fn events_that_are_reacted_to_together_take_effect_once_and_a_bad_one_costs_only_itself() {
    let world = World::new(1).await;
    let relay = world.relay();
    world.add_many(5, 8).await;
    world.add(id(3), 13).await;
    // It waits behind the one that is parked.
    world.add(id(3), 1).await;
    world.add_many(5, 2).await;
    eventually(LIMIT, || world.published()).await;

    let store = world.engagement(&world.engagement_url).await;
    let most_at_once = Arc::new(AtomicUsize::new(0));
    let echoes = Streams::without_read_model(store.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let (most, called) = (Arc::clone(&most_at_once), Arc::clone(&calls));
    let chorus = Chorus { echoes, most_at_once: most, calls: called };
    let node = Node::start(RuntimeBuilder::new(store, world.redis.url()).reactor(chorus).build());
    let settled = || async {
        let parked = world.number("SELECT count(*) FROM engagement.parked_event").await?;
        let heard = world
            .number(
                "SELECT count(DISTINCT p.id) FROM post.event p JOIN engagement.event e
                   ON (e.data ->> 'event_id')::uuid = p.id AND e.aggregate_id = p.aggregate_id",
            )
            .await?;
        let all = world.number("SELECT count(*) FROM engagement.event").await?;
        anyhow::ensure!(
            (heard, all, parked) == (48, 48, 4),
            "{heard} heard in {all} echoes, {parked} parked"
        );
        Ok(())
    };
    eventually(LIMIT, settled).await;
    // All of it was there: the bad one is found by halves, and not by trying each of the fifty alone.
    let calls = calls.load(Ordering::Relaxed);
    assert!(calls <= 30, "{calls} calls");

    world.add_many(5, 10).await;
    let all = "SELECT count(*) FROM engagement.event";
    eventually(LIMIT, || async { world.number(all).await.unwrap() == 88 }).await;
    assert!(most_at_once.load(Ordering::Relaxed) > 1, "they were reacted to one by one");
    node.stop().await;
    relay.stop().await;
}
