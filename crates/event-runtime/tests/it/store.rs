//! Recording: all or nothing, one version after another, in a public order without holes.

use std::{convert::Infallible, time::Duration};

use event_runtime::{Clock, EventStore, ExecuteError, Expected, Streams, Version};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};
use shared_schemas::{Service, envelope::Metadata};
use test_kit::eventually;

use crate::{
    counter::{Counter, CounterEvent},
    world::{LIMIT, World, id},
};

#[expect(clippy::unnecessary_wraps, reason = "what a command returns")]
fn added(amount: i64) -> Result<Vec<CounterEvent>, Infallible> {
    Ok(vec![CounterEvent::Added { amount }])
}

/// F5: rolled-back appends burn positions of the table, never numbers of the stream.
#[tokio::test(flavor = "multi_thread")]
async fn sequence_numbers_are_dense_and_in_order_under_six_writers_and_rollbacks() {
    let world = World::new(2).await;
    let (one, other) = (world.relay(), world.relay());
    let counters = world.counters();

    let recorded = join_all((0..6_i64).map(|writer| {
        let (counters, post) = (counters.clone(), world.post.clone());
        async move {
            let mut recorded = 0;
            for round in 0..50 {
                let work = post.begin().await.unwrap();
                let counter = id(u128::try_from((writer + round * 7) % 10).unwrap());
                let result = counters
                    .execute_in(&work, counter, Expected::Any, &Metadata::default(), |_| {
                        added(round)
                    })
                    .await;
                match result {
                    Ok(_) if round % 4 != 0 => {
                        work.commit().await.unwrap();
                        recorded += 1;
                    }
                    // As planned, or because two of them made the counter at the same time.
                    Ok(_) | Err(ExecuteError::VersionConflict { .. }) => {
                        work.rollback().await.unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            recorded
        }
    }))
    .await
    .into_iter()
    .sum::<i64>();

    eventually(LIMIT, || world.published()).await;
    let published = world.number("SELECT count(*) FROM post.publication").await.unwrap();
    let burnt = world.number("SELECT max(position) FROM post.event").await.unwrap();
    assert!(recorded > 150, "{recorded} recorded");
    assert_eq!(published, recorded);
    assert!(burnt > recorded, "no position was burnt by a rollback");
    one.stop().await;
    other.stop().await;
}

/// F4: an open transaction delays its own events and nobody else's.
#[tokio::test]
async fn a_long_write_transaction_delays_only_its_own_events() {
    let world = World::new(1).await;
    let relay = world.relay();
    let long = world.post.begin().await.unwrap();
    let metadata = Metadata::default();
    world
        .counters()
        .execute_in(&long, id(1), Expected::New, &metadata, |_| added(1))
        .await
        .unwrap();
    let elsewhere = world.db.begin().await.unwrap();
    elsewhere.execute_unprepared("CREATE TABLE elsewhere (id int)").await.unwrap();

    world.add_many(0, 0).await;
    for amount in 1..=20 {
        world.add(id(2), amount).await;
    }
    eventually(LIMIT, || async {
        let entries = world.entries(0).await?;
        anyhow::ensure!(entries.len() == 20, "{} entries", entries.len());
        world.published().await
    })
    .await;

    long.commit().await.unwrap();
    eventually(LIMIT, || async { world.entries(0).await.unwrap().len() == 21 }).await;
    world.published().await.unwrap();
    relay.stop().await;
}

#[tokio::test]
async fn an_append_at_another_version_than_expected_is_refused() {
    let world = World::new(1).await;
    let counters = world.counters();
    let metadata = Metadata::default();
    world.add(id(1), 1).await;
    world.add(id(1), 2).await;

    for expected in [Expected::New, Expected::Exactly(Version(1)), Expected::Exactly(Version(3))] {
        let refused = counters.execute(id(1), expected, &metadata, |_| added(3)).await;
        assert!(
            matches!(refused, Err(ExecuteError::VersionConflict { actual: Version(2) })),
            "{expected:?}: {refused:?}"
        );
    }
    let accepted =
        counters.execute(id(1), Expected::Exactly(Version(2)), &metadata, |_| added(3)).await;
    assert_eq!(accepted.unwrap(), Version(3));
    let (state, version) = counters.state(id(1)).await.unwrap();
    assert_eq!((state.total, version), (6, Version(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_units_of_work_that_create_the_same_aggregate_each_has_its_turn() {
    let world = World::new(1).await;
    let counters = world.counters();
    let metadata = Metadata::default();

    for counter in 1..=5 {
        let versions = join_all((0..6).map(|writer| {
            let (counters, post, metadata) = (&counters, &world.post, &metadata);
            async move {
                let work = post.begin().await.unwrap();
                let version = counters
                    .execute_in(&work, id(counter), Expected::Any, metadata, |_| added(writer))
                    .await
                    .unwrap();
                work.commit().await.unwrap();
                version.0
            }
        }))
        .await;

        let mut sorted = versions.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3, 4, 5, 6], "{versions:?}");
    }
}

/// A decision to do nothing rests on the state as much as one to do something.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_stays_as_a_unit_of_work_found_it_even_if_nothing_was_recorded() {
    let world = World::new(1).await;
    let counters = world.counters();
    let metadata = Metadata::default();
    world.add(id(1), 1).await;

    let work = world.post.begin().await.unwrap();
    let nothing = |_: &Counter| -> Result<Vec<CounterEvent>, Infallible> { Ok(vec![]) };
    counters.execute_in(&work, id(1), Expected::Any, &metadata, nothing).await.unwrap();
    let adding = counters.execute(id(1), Expected::Any, &metadata, |_| added(2));
    let looking = async {
        eventually(LIMIT, || async { world.waiting_for_rows().await.unwrap() == 1 }).await;
        let (_, version) = counters.state(id(1)).await.unwrap();
        work.commit().await.unwrap();
        version
    };
    let (added, meanwhile) = tokio::join!(adding, looking);

    assert_eq!(meanwhile, Version(1));
    assert_eq!(added.unwrap(), Version(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_aggregates_are_decided_in_one_go_new_ones_too_each_with_its_metadata() {
    let world = World::new(1).await;
    let counters = world.counters();
    world.add(id(1), 5).await;
    world.add(id(2), 6).await;
    let commands: Vec<_> = [4, 3, 2, 1]
        .map(|number| {
            let correlation_id = Some(id(number + 100));
            (id(number), Metadata { correlation_id, ..Metadata::default() })
        })
        .into();

    let work = world.post.begin().await.unwrap();
    counters
        .execute_all_in::<Infallible>(&work, &commands, |counter, state| {
            match (counter == id(3), state.total) {
                (true, _) => Vec::new(),
                (false, total) => {
                    vec![CounterEvent::Added { amount: total }, CounterEvent::Added { amount: 1 }]
                }
            }
        })
        .await
        .unwrap();
    work.commit().await.unwrap();

    let found = join_all((1..=4).map(|number| counters.state(id(number)))).await;
    let found: Vec<_> = found
        .into_iter()
        .map(|found| found.map(|(counter, version)| (counter.total, version.0)).unwrap())
        .collect();
    assert_eq!(found, [(11, 3), (13, 3), (0, 0), (1, 2)]);
    let history = world.post.history(counters.store().db(), "counter", id(4)).await.unwrap();
    let correlations: Vec<_> = history.iter().map(|event| event.metadata.correlation_id).collect();
    assert_eq!(correlations, [Some(id(104)); 2]);
    let relay = world.relay();
    eventually(LIMIT, || world.published()).await;
    relay.stop().await;
}

/// What cannot be held is in conflict with whoever creates it first; nothing of the others is recorded either.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_units_of_work_that_create_the_same_aggregate_among_others_one_is_in_conflict() {
    let world = World::new(1).await;
    let counters = world.counters();
    let commands = [1, 2].map(|number| (id(number), Metadata::default()));
    let add = |_, _: &Counter| vec![CounterEvent::Added { amount: 1 }];

    let first = world.post.begin().await.unwrap();
    counters.execute_all_in::<Infallible>(&first, &commands[..1], add).await.unwrap();
    let second = world.post.begin().await.unwrap();
    let both = counters.execute_all_in::<Infallible>(&second, &commands, add);
    let committing = async {
        eventually(LIMIT, || async { world.waiting_for_rows().await.unwrap() == 1 }).await;
        first.commit().await.unwrap();
    };
    let (both, ()) = tokio::join!(both, committing);

    assert!(matches!(both, Err(ExecuteError::VersionConflict { .. })), "{both:?}");
    second.rollback().await.unwrap();
    assert_eq!(counters.state(id(1)).await.unwrap().1, Version(1));
    assert_eq!(counters.state(id(2)).await.unwrap().1, Version(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_writers_of_a_new_aggregate_one_creates_it_and_the_others_follow() {
    let world = World::new(1).await;
    let counters = world.counters();
    let metadata = Metadata::default();

    let news =
        join_all((0..20).map(|_| counters.execute(id(1), Expected::New, &metadata, |_| added(1))))
            .await;
    assert_eq!(news.iter().filter(|outcome| outcome.is_ok()).count(), 1);

    let any =
        join_all((0..20).map(|_| counters.execute(id(2), Expected::Any, &metadata, |_| added(1))))
            .await;
    assert!(any.iter().all(Result::is_ok), "{any:?}");
    assert_eq!(counters.state(id(2)).await.unwrap().1, Version(20));
}

#[tokio::test]
async fn a_refused_command_and_a_rolled_back_one_leave_nothing() {
    let world = World::new(1).await;
    let counters = world.counters();
    let metadata = Metadata::default();

    let refused = counters.execute(id(1), Expected::Any, &metadata, |_| Err("no")).await;
    assert!(matches!(refused, Err(ExecuteError::Refused("no"))));
    let work = world.post.begin().await.unwrap();
    counters.execute_in(&work, id(1), Expected::Any, &metadata, |_| added(1)).await.unwrap();
    drop(work);

    let rows = "SELECT (SELECT count(*) FROM post.event) + (SELECT count(*) FROM post.outbox)
                         + (SELECT count(*) FROM post.aggregate_head)";
    assert_eq!(world.number(rows).await.unwrap(), 0);
}

#[tokio::test]
async fn a_private_event_counts_as_a_version_and_is_never_published() {
    let world = World::new(1).await;
    let relay = world.relay();
    let counters = world.counters();
    let labelled = CounterEvent::Labelled { label: "a".to_owned() };
    world.add(id(1), 1).await;
    counters
        .execute::<Infallible>(id(1), Expected::Any, &Metadata::default(), |_| {
            Ok(vec![labelled.clone()])
        })
        .await
        .unwrap();
    let version = world.add(id(1), 2).await;

    eventually(LIMIT, || async { world.entries(0).await.unwrap().len() == 2 }).await;
    world.published().await.unwrap();
    assert_eq!(version, Version(3));
    relay.stop().await;
}

/// F24: order comes from the database, whatever the clock says.
#[tokio::test]
async fn a_clock_that_jumps_back_changes_no_order() {
    let world = World::new(1).await;
    let clock = Clock::manual("2030-01-01T00:00:00Z".parse().unwrap());
    let store =
        EventStore::open(world.post.db().clone(), Service::Post, 1, clock.clone()).await.unwrap();
    let counters = Streams::<Counter>::without_read_model(store);
    let relay = world.relay();

    for amount in 1..=5 {
        clock.advance(chrono::Duration::days(-400));
        counters
            .execute(id(1), Expected::Any, &Metadata::default(), |_| added(amount))
            .await
            .unwrap();
    }
    let tally = world.tally().await;
    eventually(LIMIT, || world.settled()).await;
    relay.stop().await;
    tally.stop().await;
}

#[tokio::test]
async fn a_store_keeps_its_number_of_partitions_whatever_is_configured() {
    let world = World::new(2).await;

    let opened = EventStore::open(world.post.db().clone(), Service::Post, 4, Clock::System).await;

    assert_eq!(opened.unwrap().partitions(), 2);
}

#[tokio::test]
async fn a_service_stops_within_two_seconds() {
    let world = World::new(4).await;
    let (relay, tally) = (world.relay(), world.tally().await);
    world.add_many(4, 5).await;
    eventually(LIMIT, || world.settled()).await;

    assert!(relay.stop().await < Duration::from_secs(2));
    assert!(tally.stop().await < Duration::from_secs(2));
}

/// PostgreSQL answers such a commit with a rollback, and with no error.
#[tokio::test]
async fn a_decision_with_a_failed_statement_is_not_reported_as_committed() {
    let world = World::new(1).await;
    let work = world.post.begin().await.unwrap();
    world
        .counters()
        .execute_in(&work, id(1), Expected::Any, &Metadata::default(), |_| added(1))
        .await
        .unwrap();
    assert!(work.txn().execute_unprepared("SELECT 1 / 0").await.is_err());

    assert!(work.commit().await.is_err());
    assert_eq!(world.number("SELECT count(*) FROM post.event").await.unwrap(), 0);
}
