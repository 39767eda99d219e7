//! Stopping the relay, and having it write a stream anew.

use fred::types::Value;
use serde_json::json;
use test_kit::eventually;

use crate::world::{KEY, LIMIT, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_rebuilt_has_the_same_events_under_the_same_numbers() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;
    let entries = async || {
        let entries: Vec<Value> = world.redis.command(&["XRANGE", KEY, "-", "+"]).await.unwrap();
        entries
    };
    let before = entries().await;
    let rebuild = ["relay", "rebuild", "--service", "post", "--partition", "0"];

    world.plctl(&rebuild).await.is_refusal(&["--reason"]);
    world.report(&[&rebuild[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = entries().await;
    world.report(&[&rebuild[..], &["--reason", "damaged"]].concat()).await;
    eventually(LIMIT, || async { entries().await == before }).await;
    world.add(1, 4).await;
    world.at(4).await;

    assert_eq!(after_rehearsal, before);
    assert_eq!(world.total().await, 10);
    assert_eq!(world.plctl(&["relay", "rebuild", "--partition", "0"]).await.code, 2);
    world
        .plctl(&["relay", "rebuild", "--service", "post", "--partition", "7", "--reason", "x"])
        .await
        .is_refusal(&["no partition 7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_written_down_with_its_reason_and_stops_what_needs_the_relay() {
    let world = World::new().await;
    let pause = ["relay", "pause", "--service", "post"];
    let paused = async || world.number("SELECT count(*) FROM post.relay_pause").await;

    world.plctl(&pause).await.is_refusal(&["--reason"]);
    let pause = [&pause[..], &["--reason", "maintenance"]].concat();
    world.report(&[&pause[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = (paused().await, world.actions().await);
    world.report(&pause).await;
    let again = world.report(&pause).await;
    let relay = world.report(&["relay", "status", "--service", "post"]).await;
    world
        .plctl(&["relay", "rebuild", "--service", "post", "--partition", "0", "--reason", "x"])
        .await
        .is_refusal(&["paused", "relay resume"]);
    world.plctl(&["relay", "resync"]).await.is_refusal(&["paused", "relay resume --service post"]);
    let resumed = world.report(&["relay", "resume", "--service", "post"]).await;

    assert_eq!(after_rehearsal, (0, 0));
    assert_eq!(again["changed"], json!([]));
    assert_eq!(relay[0]["pause"]["reason"], "maintenance", "{relay}");
    assert_eq!(resumed["changed"][0]["reason"], "maintenance", "{resumed}");
    assert_eq!((paused().await, world.actions().await), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_waits_until_streams_are_where_their_stores_are() {
    let world = World::new().await;
    world.add(1, 1).await;

    let nobody = world.plctl(&["relay", "resync", "--timeout", "0s"]).await;
    let _producer = world.producer();
    let report = world.report(&["relay", "resync"]).await;

    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.stderr.contains("is a process of the service running?"), "{nobody:?}");
    assert_eq!(
        report[0]["partitions"][0],
        json!({ "key": KEY, "partition": 0, "head": 1, "last": 1, "behind": 0 })
    );
}
