//! Looking without changing anything.

use serde_json::json;
use test_kit::eventually;

use crate::world::{GROUP, KEY, LIMIT, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_system_is_seen_from_every_side() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;
    // Acknowledging comes after the watermark.
    eventually(LIMIT, || async { world.report(&["lag"]).await[0]["pending"] == 0 }).await;

    let status = world.report(&["events", "status"]).await;
    let lag = world.report(&["lag", "--group", GROUP]).await;
    let streams = world.report(&["streams", "ls"]).await;
    let stream = world.report(&["streams", "describe", KEY]).await;
    let groups = world.report(&["groups", "ls"]).await;
    let leases = world.report(&["lease", "ls"]).await;
    let consumers = world.report(&["consumers", "ls"]).await;
    let relay = world.report(&["relay", "status"]).await;
    let schema = world.report(&["schema", "ls"]).await;

    let post = status.as_array().unwrap().iter().find(|row| row["service"] == "post").unwrap();
    assert_eq!((&post["events"], &post["relay"]["outbox"]), (&json!(3), &json!(0)), "{status}");
    assert_eq!(
        (&lag[0]["watermark"], &lag[0]["head"], &lag[0]["lag"]),
        (&json!(3), &json!(3), &json!(0))
    );
    assert_eq!((&lag[0]["is_owned"], &lag[0]["is_paused"]), (&json!(true), &json!(false)), "{lag}");
    let post = streams.as_array().unwrap().iter().find(|row| row["key"] == KEY).unwrap();
    assert_eq!((&post["first"], &post["last"], &post["length"]), (&json!(1), &json!(3), &json!(3)));
    assert_eq!(stream["groups"][0]["delivered"], 3, "{stream}");
    assert_eq!(groups["groups"][0]["consumer_group"], GROUP, "{groups}");
    assert_eq!(leases[0]["is_live"], true, "{leases}");
    assert_eq!(consumers[0]["group"], GROUP, "{consumers}");
    assert_eq!(relay[0]["partitions"][0]["behind"], 0, "{relay}");
    assert_eq!((&schema[0]["type"], &schema[0]["events"]), (&json!("counter.added.v1"), &json!(3)));
    assert_eq!(world.actions().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_counted_from_the_store_when_redis_has_forgotten_everything() {
    let (world, producer, consumer) = World::with(&[1, 2]).await;
    consumer.stop().await;
    producer.stop().await;
    world.add(1, 3).await;
    world.redis.flushall().await.unwrap();
    let outbox = world.report(&["events", "status", "--service", "post"]).await;
    let _producer = world.producer();

    eventually(LIMIT, || async {
        let lag = world.report(&["lag"]).await;
        lag[0]["lag"] == 1
            && lag[0]["head"] == 3
            && lag[0]["is_owned"] == false
            && lag[0]["seconds"].is_i64()
    })
    .await;

    assert_eq!(outbox[0]["relay"]["outbox"], 1, "{outbox}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_the_last_events_of_one_type_as_lines_of_json() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;

    let last = world.plctl(&["streams", "tail", "-n", "2", "--json"]).await;
    let other = world.plctl(&["streams", "tail", "--type", "post.published.v1", "--json"]).await;

    let lines: Vec<serde_json::Value> =
        last.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{last:?}");
    assert_eq!(lines[1]["data"], json!({ "amount": 3 }), "{last:?}");
    assert_eq!(other.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_of_top_for_programs_has_streams_groups_and_parked_events() {
    let (world, _producer, _consumer) = World::with(&[1, 13]).await;

    let top = world.report(&["top"]).await;
    let once = world.plctl(&["top", "--once"]).await;

    assert_eq!(top["streams"].as_array().unwrap().len(), 2, "{top}");
    assert_eq!(top["groups"][0]["parked"], 1, "{top}");
    assert_eq!(top["parked"][0]["reason"], "refused", "{top}");
    assert!(once.stdout.contains(GROUP) && once.stdout.contains(KEY), "{once:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_group_without_owner_and_an_eviction_policy_that_drops_events() {
    let (world, _producer, consumer) = World::with(&[1]).await;
    let question = |report: &serde_json::Value, subject: &str, question: &str| {
        let rows = report.as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["subject"] == subject && row["question"] == question);
        rows.next().unwrap().clone()
    };
    let well = world.plctl(&["doctor", "--json"]).await;
    consumer.stop().await;
    let _set: String =
        world.redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await.unwrap();

    let ill = world.plctl(&["doctor", "--json"]).await;

    assert_eq!(well.code, 0, "{well:?}");
    assert_eq!(question(&well.json(), "engagement", "group")["verdict"], "OK", "{well:?}");
    assert_eq!(ill.code, 3, "{ill:?}");
    for (subject, asked) in [("engagement", "group"), ("redis", "eviction")] {
        let answer = question(&ill.json(), subject, asked);
        assert_eq!(answer["verdict"], "FAIL", "{answer}");
        assert_ne!(answer["hint"], "", "{answer}");
    }
}
