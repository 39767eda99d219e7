//! Registering, pausing, moving and mending consumer groups.

use serde_json::json;
use test_kit::eventually;

use crate::world::{GROUP, KEY, LIMIT, World};

/// The words of a seek to the beginning.
const SEEK: [&str; 8] = ["groups", "seek", GROUP, "--of", "post", "--seq", "0", "--reason"];

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_group_stands_still_and_goes_on_where_it_was() {
    let (world, _producer, _consumer) = World::with(&[1, 2]).await;

    let paused = world.report(&["groups", "pause", GROUP, "--reason", "test"]).await;
    eventually(LIMIT, || async { world.report(&["lag"]).await[0]["is_owned"] == false }).await;
    world.add(1, 3).await;
    eventually(LIMIT, || async { world.report(&["lag"]).await[0]["head"] == 3 }).await;
    let again = world.report(&["groups", "pause", GROUP]).await;
    let standing = world.watermark().await;
    world.report(&["groups", "resume", GROUP]).await;
    world.at(3).await;

    assert_eq!(paused["changed"], json!([{ "service": "post", "partition": 0 }]));
    assert_eq!(again["changed"], json!([]));
    assert_eq!(standing, 2);
    assert_eq!(world.total().await, 6);
    let actions = world.report(&["actions", "--service", "engagement"]).await;
    assert_eq!(actions[0]["command"], "groups resume", "{actions}");
    assert_eq!(
        (&actions[1]["operator"], &actions[1]["command"], &actions[1]["reason"]),
        (&json!("ada"), &json!("groups pause"), &json!("test"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_is_refused_unless_the_group_is_paused_and_a_reason_is_given() {
    let (world, _producer, consumer) = World::with(&[1, 2]).await;
    let seek = [&SEEK[..], &["again"]].concat();

    world.plctl(&seek).await.is_refusal(&["not paused", "groups pause"]);
    consumer.stop().await;
    world.report(&["groups", "pause", GROUP]).await;
    world.plctl(&seek[..7]).await.is_refusal(&["--reason"]);
    let beyond = ["groups", "seek", GROUP, "--of", "post", "--seq", "3", "--reason", "x"];
    world.plctl(&beyond).await.is_refusal(&["ends at 2"]);

    assert_eq!(world.watermark().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_back_lets_events_take_effect_again_and_a_rehearsal_changes_nothing() {
    let (world, _producer, consumer) = World::with(&[1, 2, 13]).await;
    consumer.stop().await;
    world.report(&["groups", "pause", GROUP]).await;
    let before = world.actions().await;
    let seek = [&SEEK[..], &["again"]].concat();

    let rehearsal = world.report(&[&seek[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = (world.watermark().await, world.actions().await);
    let moved = world.report(&seek).await;
    world.report(&["groups", "resume", GROUP]).await;
    let _consumer = world.consumer();
    world.at(3).await;

    let expected = json!([{ "partition": 0, "from": 3, "to": 0, "parked_forgotten": 1 }]);
    assert_eq!((&rehearsal["changed"], &rehearsal["dry_run"]), (&expected, &json!(true)));
    assert_eq!(after_rehearsal, (3, before));
    assert_eq!(moved["changed"], expected);
    assert_eq!(world.total().await, 6, "1 and 2 twice");
    assert_eq!(world.number("SELECT count(*) FROM engagement.parked_event").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_to_a_moment_skips_what_was_recorded_before_it() {
    let (world, _producer, consumer) = World::with(&[1]).await;
    consumer.stop().await;
    world.report(&["groups", "pause", GROUP]).await;
    world.add(1, 2).await;
    world.add(1, 3).await;
    eventually(LIMIT, || async { world.report(&["lag"]).await[0]["head"] == 3 }).await;
    let third = world.plctl(&["streams", "tail", "-n", "1", "--json"]).await.json();
    let time = third["occurred_at"].as_str().unwrap();

    let moved = world
        .report(&["groups", "seek", GROUP, "--of", "post", "--time", time, "--reason", "skip"])
        .await;
    world.report(&["groups", "resume", GROUP]).await;
    let _consumer = world.consumer();
    world.at(3).await;

    assert_eq!((&moved["changed"][0]["from"], &moved["changed"][0]["to"]), (&json!(1), &json!(2)));
    assert_eq!(world.total().await, 1 + 3);
}

/// The group is of one service and the events of another: choosing the first does not hide the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_service_and_a_named_producer_go_together() {
    let (world, _producer, consumer) = World::with(&[1, 2]).await;
    consumer.stop().await;
    let chosen = ["--service", "engagement"];
    let seek = ["groups", "seek", GROUP, "--of", "post", "--seq", "1", "--reason", "again"];
    let register = ["groups", "register", "analytics.all", "--of", "post"];
    let retire = ["groups", "retire", "analytics.all", "--of", "post", "--reason", "gone"];

    world.report(&[&["groups", "pause", GROUP], &chosen[..]].concat()).await;
    let moved = world.report(&[&seek[..], &chosen].concat()).await;
    let registered = world.report(&[&register[..], &chosen].concat()).await;
    let retired = world.report(&[&retire[..], &chosen].concat()).await;
    let listed = world.report(&[&["groups", "ls"], &chosen[..]].concat()).await;

    assert_eq!((&moved["changed"][0]["from"], &moved["changed"][0]["to"]), (&json!(2), &json!(1)));
    assert_eq!((&registered[0]["changed"], &retired[0]["changed"]), (&json!([0]), &json!([0])));
    assert_eq!(listed["registrations"], json!([]), "the chosen one alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_group_is_waited_for_until_it_is_retired() {
    let (world, _producer, _consumer) = World::with(&[1]).await;
    let register = ["groups", "register", "analytics.all", "--of", "post"];
    let state = async || {
        world
            .number(
                "SELECT coalesce(max(CASE state WHEN 'active' THEN 1 WHEN 'retired' THEN 2 END), 0)::bigint
                   FROM post.subscription WHERE consumer_group = 'analytics.all'",
            )
            .await
    };

    let rehearsal = world.report(&[&register[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = state().await;
    world.report(&register).await;
    let (registered, again) = (state().await, world.report(&register).await);
    world.report(&["groups", "retire", "analytics.all", "--reason", "gone"]).await;
    let retired = state().await;
    world.report(&register).await;

    assert_eq!((&rehearsal[0]["changed"], after_rehearsal), (&json!([0]), 0));
    assert_eq!((registered, retired, state().await), (1, 2, 1));
    assert_eq!(again[0]["changed"], json!([]));
    world.plctl(&["groups", "retire", "nobody.ever"]).await.is_refusal(&["groups ls"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_stands_wrong_in_redis_is_made_anew_when_nobody_works_for_it() {
    let (world, _producer, consumer) = World::with(&[1, 2]).await;
    let recreate = ["groups", "recreate", GROUP];
    consumer.stop().await;
    let wrong: String = world.redis.command(&["XGROUP", "SETID", KEY, GROUP, "0"]).await.unwrap();
    assert_eq!(wrong, "OK");
    let lease = |until: &str| format!("UPDATE engagement.lease SET expires_at = {until}");

    world.execute(&lease("now() + interval '1 hour'")).await;
    world.plctl(&recreate).await.is_refusal(&["works for", "groups pause"]);
    world.execute(&lease("'-infinity'")).await;
    let rehearsal = world.report(&[&recreate[..], &["--dry-run"]].concat()).await;
    let mended = world.report(&recreate).await;
    let again = world.report(&recreate).await;

    let stream = world.report(&["streams", "describe", KEY]).await;
    assert_eq!(stream["groups"][0]["delivered"], 2, "{stream}");
    assert_eq!(
        (&rehearsal["changed"], &mended["changed"]),
        (&mended["changed"], &rehearsal["changed"])
    );
    assert_eq!(again["changed"], json!([]));
}
