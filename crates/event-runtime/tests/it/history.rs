//! Reading back what was published: filters, pages, and following along while everything else fails.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use chrono::{TimeDelta, TimeZone, Utc};
use event_runtime::{
    Clock, EventStore, Expected, History, RecordedEvent, RuntimeBuilder, Streams,
    history::{Cursor, Filter, Follower, POLL, SequenceRange},
};
use futures_util::future::{join, join_all};
use shared_schemas::{Service, UserId, envelope::Metadata};
use test_kit::eventually;
use uuid::Uuid;

use crate::{
    counter::{Counter, CounterEvent},
    process::Worker,
    world::{LIMIT, Node, World, id},
};

/// Everything of a service that passes a filter, in pages of `limit`.
pub(crate) async fn read(history: &History, filter: &Filter, limit: u16) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    for head in history.heads().await.unwrap() {
        let mut after = 0;
        while after < head.sequence {
            let range = SequenceRange { partition: head.partition, after, up_to: head.sequence };
            let page = history.page(range, filter, limit).await.unwrap();
            assert!(page.events.len() <= usize::from(limit));
            assert!(page.scanned_to > after, "a page that leads nowhere");
            after = page.scanned_to;
            events.extend(page.events);
        }
    }
    events
}

/// Three days of three counters, moved by two people in requests of their own; private facts among them.
struct Days {
    world: World,
    _relay: Node,
    history: History,
    people: [UserId; 2],
}

impl Days {
    async fn new() -> Self {
        let world = World::new(2).await;
        let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap());
        let store = EventStore::open(world.post.db().clone(), Service::Post, 2, clock.clone())
            .await
            .unwrap();
        let relay = Node::start(RuntimeBuilder::new(store.clone(), world.redis.url()).build());
        let streams = Streams::<Counter>::without_read_model(store.clone());
        let people = [UserId(id(71)), UserId(id(72))];
        for _day in 0..3 {
            for counter in 1..=3 {
                for (person, request) in people.iter().zip(100_u128..) {
                    let metadata = Metadata {
                        actor: Some(*person),
                        correlation_id: Some(id(request + counter)),
                        ..Metadata::default()
                    };
                    let events = vec![
                        CounterEvent::Added { amount: 1 },
                        CounterEvent::Labelled { label: "private".to_owned() },
                    ];
                    streams
                        .execute::<Infallible>(id(counter), Expected::Any, &metadata, |_| {
                            Ok(events.clone())
                        })
                        .await
                        .unwrap();
                }
            }
            clock.advance(TimeDelta::days(1));
        }
        eventually(LIMIT, || world.published()).await;
        Self { history: History::of(&store), world, _relay: relay, people }
    }

    /// What a filter lets pass is what it says of each event, whatever the size of the pages.
    async fn agree(&self, filter: &Filter, expected: usize) {
        let all = read(&self.history, &Filter::default(), 1_000).await;
        let passing: Vec<Uuid> =
            all.iter().filter(|event| filter.matches(event)).map(|event| event.id.0).collect();
        assert_eq!(passing.len(), expected, "{filter:?}");
        for limit in [1, 2, 1_000] {
            let found = read(&self.history, filter, limit).await;
            let found: Vec<Uuid> = found.iter().map(|event| event.id.0).collect();
            assert_eq!(found, passing, "{filter:?} in pages of {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_holds_every_published_event_in_order_and_no_private_one() {
    let days = Days::new().await;

    let events = read(&days.history, &Filter::default(), 4).await;

    assert_eq!(events.len(), 18);
    assert!(events.iter().all(|event| event.raw.event_type == "counter.added.v1"));
    let mut places: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for event in &events {
        places.entry(event.partition).or_default().push(event.sequence.unwrap());
    }
    for (head, (partition, places)) in days.history.heads().await.unwrap().iter().zip(places) {
        assert_eq!(head.partition, partition);
        assert_eq!(places, (1..=head.sequence).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_let_pass_what_they_say_and_all_of_it() {
    let days = Days::new().await;
    let day = |number| Some(Utc.with_ymd_and_hms(2026, 3, number, 0, 0, 0).unwrap());
    let types = |patterns: &[&str]| patterns.iter().map(|one| one.parse().unwrap()).collect();
    let none = Filter::default();

    for (filter, expected) in [
        (Filter { types: types(&["counter.added.v1"]), ..none.clone() }, 18),
        (Filter { types: types(&["counter.*"]), ..none.clone() }, 18),
        (Filter { types: types(&["post.*", "counter.added.*"]), ..none.clone() }, 18),
        (Filter { types: types(&["counter.labelled.v1"]), ..none.clone() }, 0),
        (Filter { aggregate_id: Some(id(2)), ..none.clone() }, 6),
        (Filter { aggregate_id: Some(id(9)), ..none.clone() }, 0),
        (Filter { actor: Some(days.people[0]), ..none.clone() }, 9),
        (Filter { correlation_id: Some(id(102)), ..none.clone() }, 6),
        (Filter { from: day(2), ..none.clone() }, 12),
        (Filter { from: day(2), to: day(3), ..none.clone() }, 6),
        (Filter { to: day(1), ..none.clone() }, 0),
        (
            Filter {
                actor: Some(days.people[1]),
                aggregate_id: Some(id(1)),
                from: day(3),
                types: types(&["counter.*"]),
                ..none.clone()
            },
            1,
        ),
    ] {
        days.agree(&filter, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_through_their_indexes() {
    let days = Days::new().await;
    // A table this small is read as a whole unless that is made to look expensive.
    let plan = |condition: &str| {
        let query = format!("EXPLAIN SELECT * FROM post.event WHERE {condition}");
        let db = days.world.db.clone();
        async move {
            use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared("SET LOCAL enable_seqscan = off").await.unwrap();
            #[expect(clippy::disallowed_methods, reason = "a query of the test, without input")]
            let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, query);
            let rows = txn.query_all_raw(statement).await.unwrap();
            let lines: Vec<String> =
                rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
            lines.join("\n")
        }
    };

    for (condition, index) in [
        ("metadata ->> 'actor' = 'x'", "event_actor"),
        ("metadata ->> 'correlation_id' = 'x'", "event_correlation_id"),
        ("occurred_at >= now()", "event_occurred_at"),
    ] {
        let plan = plan(condition).await;
        assert!(plan.contains(index), "{plan}");
    }
}

/// Relays die, Redis forgets everything, the follower itself starts again from its token.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_reads_every_event_once_while_relays_are_killed_and_redis_is_emptied() {
    let world = World::new(3).await;
    let history = History::of(&world.post);
    let recorded = 604_usize;
    let appending = join_all((1..=6_u128).map(|counter| {
        let world = &world;
        async move {
            for amount in 1..=100 {
                world.add(id(counter), amount).await;
            }
        }
    }));
    let faults = async {
        for round in 0..4 {
            let before = history.heads().await.unwrap();
            // One event at least has no number yet, however long the relay waits for its readers.
            world.add(id(7), round).await;
            let relay = Worker::relay(&world, &world.redis.url()).await;
            eventually(LIMIT, || async { history.heads().await.unwrap() != before }).await;
            world.redis.flushall().await.unwrap();
            relay.kill().await;
        }
    };
    let following = async {
        let mut token = Cursor::start(Service::Post).to_string();
        let mut followed = Vec::new();
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        while followed.len() < recorded {
            assert!(std::time::Instant::now() < deadline, "{} events followed", followed.len());
            // A follower that knows nothing but its token.
            let cursor = Cursor::parse_for(Service::Post, &token).unwrap();
            let mut reader = Follower::new(history.clone(), Filter::default(), cursor);
            for _ in 0..3 {
                let batch = reader.next(7).await.unwrap();
                if batch.at_head {
                    tokio::time::sleep(POLL).await;
                }
                followed.extend(batch.events);
            }
            token = reader.cursor().to_string();
        }
        followed
    };
    // What the killed relays left is published by one that lives.
    let publishing = async {
        join(appending, faults).await;
        world.relay()
    };

    let (_relay, followed) = join(publishing, following).await;

    let stored = read(&history, &Filter::default(), 1_000).await;
    assert_eq!(stored.len(), recorded);
    for partition in 0..3 {
        let of = |events: &[RecordedEvent]| -> Vec<(Option<u64>, Uuid)> {
            let there = events.iter().filter(|event| event.partition == partition);
            there.map(|event| (event.sequence, event.id.0)).collect()
        };
        assert_eq!(of(&followed), of(&stored), "partition {partition}");
    }
}
