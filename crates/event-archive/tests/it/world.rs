//! Services that record and publish what a test wants, at the times it wants.

use std::{convert::Infallible, marker::PhantomData, time::Duration};

use chrono::{DateTime, TimeZone as _, Utc};
use event_runtime::{
    Aggregate, Clock, EventStore, Expected, History, MIGRATIONS, RecordedEvent, RuntimeBuilder,
    Streams,
    history::{Filter, SequenceRange},
};
use sea_orm::ConnectionTrait as _;
use shared_schemas::{
    Event, Service, UserId,
    envelope::Metadata,
    post::{Category, PostEvent},
};
use test_kit::{TestDatabase, TestRedis, eventually};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use uuid::Uuid;

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// An aggregate that takes every event as it comes.
pub(crate) struct Log<E>(PhantomData<E>);

impl<E> Default for Log<E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Event> Aggregate for Log<E> {
    type Id = Uuid;
    type Event = E;

    fn evolve(self, _: &E) -> Self {
        self
    }
}

/// A database, a Redis, and a clock that stands at noon of 1 March 2026 until it is moved.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) redis: TestRedis,
    pub(crate) clock: Clock,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (database, redis) = tokio::join!(TestDatabase::create(), TestRedis::start());
        let noon = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap();
        Self { database: database.unwrap(), redis: redis.unwrap(), clock: Clock::manual(noon) }
    }

    /// A service with two partitions whose relay runs.
    pub(crate) async fn service(&self, service: Service) -> Producer {
        let db = self.database.connect(service.as_str()).await.unwrap();
        for (_, sql) in MIGRATIONS {
            db.execute_unprepared(sql).await.unwrap();
        }
        let store = EventStore::open(db, service, 2, self.clock.clone()).await.unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let runtime = RuntimeBuilder::new(store.clone(), self.redis.url()).build();
        runtime.start(&tasks, &stop).unwrap();
        Producer { history: History::of(&store), store, _stop: stop.drop_guard() }
    }

    /// The clock at a time of that March.
    pub(crate) fn move_to(&self, day: u32, hour: u32, minute: u32) {
        let time = Utc.with_ymd_and_hms(2026, 3, day, hour, minute, 0).unwrap();
        self.clock.advance(time - self.clock.now());
    }
}

/// A service that records events.
pub(crate) struct Producer {
    pub(crate) history: History,
    pub(crate) store: EventStore,
    _stop: DropGuard,
}

impl Producer {
    /// Records events of one aggregate, by one person.
    pub(crate) async fn record<E: Event>(
        &self,
        id: impl Into<Uuid>,
        actor: UserId,
        events: Vec<E>,
    ) {
        let metadata = Metadata {
            actor: Some(actor),
            correlation_id: Some(Uuid::from_u128(0xc0)),
            ..Metadata::default()
        };
        Streams::<Log<E>>::without_read_model(self.store.clone())
            .execute::<Infallible>(id.into(), Expected::Any, &metadata, |_| Ok(events.clone()))
            .await
            .unwrap();
    }

    /// Records `count` posts by person 1 with bodies of `length` characters, and a private fact about each.
    pub(crate) async fn posts(&self, count: u128, length: usize) {
        let first = u128::try_from(self.published().await.len()).unwrap() + 1;
        for post in first..first + count {
            let (author_id, title, body) = (person(1), format!("Post {post}"), "x".repeat(length));
            let category = Category::Other;
            let drafted = PostEvent::Drafted {
                author_id,
                title: title.clone(),
                body: body.clone(),
                category,
            };
            let published = PostEvent::Published { author_id, title, body, category };
            self.record(id(post), author_id, vec![drafted, published]).await;
        }
        self.settled().await;
    }

    /// Waits until everything public has its place.
    pub(crate) async fn settled(&self) {
        eventually(LIMIT, || async {
            let waiting = sea_orm::raw_sql!(Postgres, "SELECT FROM outbox LIMIT 1");
            self.store.db().query_one_raw(waiting).await.unwrap().is_none()
        })
        .await;
    }

    /// Everything that is published, partition by partition.
    pub(crate) async fn published(&self) -> Vec<RecordedEvent> {
        let mut events = Vec::new();
        for head in self.history.heads().await.unwrap() {
            let mut after = 0;
            while after < head.sequence {
                let range =
                    SequenceRange { partition: head.partition, after, up_to: head.sequence };
                let page = self.history.page(range, &Filter::default(), 1_000).await.unwrap();
                after = page.scanned_to;
                events.extend(page.events);
            }
        }
        events
    }
}

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn person(number: u128) -> UserId {
    UserId(id(0xa000 + number))
}

/// The moment at which an event happened.
pub(crate) fn time(event: &RecordedEvent) -> DateTime<Utc> {
    event.occurred_at
}
