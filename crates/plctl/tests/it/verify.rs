//! Promises that are broken on purpose, and found.

use serde_json::Value;

use crate::world::{KEY, Node, World};

#[derive(serde::Deserialize)]
struct Found {
    rule: String,
    what: String,
}

/// Runs `verify` and `gaps check`: the rules they find broken, with what they say.
async fn broken(world: &World) -> Vec<(String, String)> {
    let verified = world.plctl(&["verify", "--json"]).await;
    let gaps = world.plctl(&["gaps", "check", "--json"]).await;
    let mut found: Vec<(String, String)> = verified
        .json()
        .as_array()
        .unwrap()
        .iter()
        .chain([&gaps.json()])
        .flat_map(|check| check["findings"].as_array().unwrap().clone())
        .map(|finding| serde_json::from_value(finding).unwrap())
        .map(|Found { rule, what }| (rule, what))
        .collect();
    found.sort();
    found.dedup();
    assert_eq!(verified.code, if found.is_empty() { 0 } else { 3 }, "{verified:?}");
    found
}

async fn still(amounts: &[i64]) -> World {
    let (world, producer, consumer) = World::with(amounts).await;
    Node::stop(consumer).await;
    Node::stop(producer).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_in_order_passes() {
    let world = still(&[1, 2, 3]).await;

    let checks = world.report(&["verify"]).await;

    assert_eq!(broken(&world).await, []);
    let content = |row: &&Value| row["check"] == "content" && row["service"] == "post";
    assert_eq!(
        checks.as_array().unwrap().iter().find(content).unwrap()["looked_at"],
        3,
        "{checks}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_a_stream_is_found_with_its_place() {
    let world = still(&[1, 2, 3]).await;
    let _deleted: u64 = world.redis.command(&["XDEL", KEY, "2-0"]).await.unwrap();

    let found = broken(&world).await;

    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "stream_hole");
    assert!(found[0].1.contains("after 1 comes 3"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_another_event_than_the_stores_is_found() {
    let world = still(&[1, 2]).await;
    world.execute("UPDATE post.event SET id = '00000000-0000-7000-8000-000000000000' WHERE aggregate_version = 2").await;

    let found = broken(&world).await;

    assert!(found.len() == 1 && found[0].0 == "content", "{found:?}");
    assert!(found[0].1.starts_with("2 is event"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_numbers_events_without_a_number_and_disorder_are_found() {
    let world = still(&[1, 2, 3]).await;
    world.execute("DELETE FROM post.publication WHERE sequence = 2").await;
    let lost = broken(&world).await;
    world
        .execute(
            "INSERT INTO post.publication SELECT 0, 2, position FROM post.event WHERE aggregate_version = 2;
             UPDATE post.publication SET sequence = sequence + 10;
             UPDATE post.publication SET sequence = CASE sequence WHEN 11 THEN 2 WHEN 12 THEN 1 ELSE 3 END",
        )
        .await;
    let disorder = broken(&world).await;

    let rules =
        |found: &[(String, String)]| found.iter().map(|(rule, _)| rule.clone()).collect::<Vec<_>>();
    assert_eq!(rules(&lost), ["content", "numbering", "unnumbered"], "{lost:?}");
    assert!(rules(&disorder).contains(&"order".to_owned()), "{disorder:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_restored_to_the_past_is_found_in_stream_and_watermark() {
    let world = still(&[1, 2, 3]).await;
    world
        .execute(
            "DELETE FROM post.publication WHERE sequence = 3; DELETE FROM post.event WHERE aggregate_version = 3;
             UPDATE post.publication_head SET sequence = 2",
        )
        .await;

    let found = broken(&world).await;

    let rules: Vec<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules, ["content", "stream_ahead", "watermark"], "{found:?}");
    world
        .plctl(&["relay", "rebuild", "--service", "post", "--partition", "0", "--reason", "x"])
        .await
        .is_refusal(&["restored to the past", "epoch bump"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_left_the_stream_before_a_registered_group_read_it_is_found() {
    let world = still(&[1, 2, 3]).await;
    world.report(&["groups", "register", "analytics.all", "--of", "post"]).await;
    let _trimmed: u64 = world.redis.command(&["XTRIM", KEY, "MINID", "3-0"]).await.unwrap();

    let found = broken(&world).await;

    assert!(found.len() == 1 && found[0].0 == "trim", "{found:?}");
    assert!(found[0].1.contains("analytics.all has read to 0"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_type_that_this_build_cannot_read_is_found() {
    let world = still(&[1]).await;

    let unknown = world.plctl(&["schema", "check", "--json"]).await;
    world.execute("UPDATE post.event SET is_public = false").await;
    let private = world.plctl(&["schema", "check", "--json"]).await;

    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(unknown.stdout.contains("counter.added.v1 at position 1"), "{unknown:?}");
    assert_eq!(private.code, 0, "{private:?}");
    assert_eq!(private.json()[0]["private"], 1, "{private:?}");
}
