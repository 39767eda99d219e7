//! The prototype's workload: every total equals a recount from the events.

use std::time::Duration;

use system_tests::{
    client::until,
    faults,
    oracle::Oracle,
    workload::{self, Done, Size},
};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// How long everything may take to arrive everywhere.
const SETTLE: Duration = Duration::from_mins(1);

/// How long the load may take.
const LOAD: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn every_total_equals_a_recount_from_the_events() {
    let world = World::start().await;
    let done = Done::default();
    let oracle = Oracle::connect(&world.stack.endpoints().postgres).await.unwrap();

    let people = workload::people(&world.client, Size::PROTOTYPE.people, &done).await.unwrap();
    workload::run(&people, Size::PROTOTYPE, &done).await.unwrap();
    let verdict = oracle.judge(&people, SETTLE).await.unwrap();

    let recount = oracle.recount().await.unwrap();
    let count = |event: &str| recount.events.get(event).copied().unwrap_or(0);
    assert_eq!(count("post.published.v1"), 24);
    assert_eq!(count("comment.added.v1"), 48);
    assert_eq!(count("reaction.added.v1"), 48);
    assert_eq!(count("view.counted.v1"), 48);
    assert_eq!(verdict.figures, 8 * 8 + 24 * 3);

    // An oracle that never finds anything would be worth nothing.
    oracle.execute("UPDATE engagement.activity SET comments = comments + 1").await.unwrap();
    assert!(oracle.judge(&people, SETTLE).await.is_err());
    world.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_while_everything_is_killed_and_redis_forgets() {
    let world = World::start().await;
    let done = Done::default();
    let oracle = Oracle::connect(&world.stack.endpoints().postgres).await.unwrap();
    let size = Size { people: 8, posts: 120, acts: 240 };
    let people = workload::people(&world.client, size.people, &done).await.unwrap();

    let stop = CancellationToken::new();
    let load = async {
        let posts = workload::run(&people, size, &done).await;
        stop.cancel();
        posts
    };
    let kills = faults::kill_at_random(&world.stack, 7, Duration::from_millis(700), stop.clone());
    let forgets = async {
        // In the middle of it.
        until(LOAD, || async {
            anyhow::ensure!(done.count() > size.people + size.requests() / 3, "{}", done.count());
            Ok(())
        })
        .await?;
        // Redis itself may be down just now.
        until(SETTLE, || faults::flush(&world.stack)).await
    };
    let (posts, kills, forgotten) = tokio::join!(load, kills, forgets);
    let kills = kills.unwrap();
    forgotten.unwrap();
    assert_eq!(posts.unwrap().len(), size.posts);
    assert!(kills.killed.len() >= 3, "{kills:?}");

    oracle.judge(&people, SETTLE).await.unwrap();

    let recount = oracle.recount().await.unwrap();
    assert_eq!(recount.events.get("post.published.v1"), Some(&120));
    assert_eq!(recount.events.get("comment.added.v1"), Some(&240));
    assert_eq!(recount.events.get("reaction.added.v1"), Some(&240));
    assert_eq!(recount.events.get("view.counted.v1"), Some(&240));
    world.stack.stop().await.unwrap();
}
