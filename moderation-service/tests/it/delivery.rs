//! Whatever is delivered again, and whatever is made anew, changes nothing.

use sea_orm::ConnectionTrait;
use shared_schemas::{Service, moderation::Subject};
use test_kit::{eventually, stream_key};
use uuid::Uuid;

use crate::support::{INSULT, SOON, THREAT, World, published};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgot_everything_and_got_it_again_opens_no_second_case() {
    let world = World::start().await;
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    world.redis.flushall().await.unwrap();
    world.post(10, INSULT).await;
    let later = world.post(12, INSULT).await;

    world.case(Subject::Post(later)).await;
    assert_eq!(world.cases(Subject::Post(post)).await, [case]);
    assert_eq!(world.screenings(post, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_stands_in_the_stream_twice_is_screened_once() {
    let world = World::start().await;
    let post = world.post(10, THREAT).await;
    world.publisher.publish(post, 1, &published(THREAT)).await.unwrap();
    let later = world.post(12, THREAT).await;

    world.case(Subject::Post(later)).await;

    assert_eq!(world.screenings(post, 1).await.len(), 1);
    assert_eq!(world.cases(Subject::Post(post)).await.len(), 1);
    let events =
        world.column("SELECT type FROM event WHERE aggregate_type = 'case' ORDER BY type").await;
    assert_eq!(events, ["case.decided.v1", "case.decided.v1", "case.opened.v1", "case.opened.v1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_the_cases_gives_the_same_rows() {
    let world = World::start().await;
    let moderator = world.moderator();
    let (held, removed) = (world.post(10, INSULT).await, world.post(12, THREAT).await);
    let case = world.case(Subject::Post(held)).await;
    world.decide(&moderator, &case, "DISMISS").await;
    let removal = world.case(Subject::Post(removed)).await;
    world.post_hidden(removed, 2, &removal).await;
    world.case_in(&removal, "DELETE_CONFIRMED").await;
    let rows = "SELECT to_jsonb(c)::text FROM moderation_case c ORDER BY id";
    let before = world.column(rows).await;
    world.audited().await;
    world.db().execute_unprepared("UPDATE moderation_case SET state = 'LOST'").await.unwrap();

    let rebuilt = world.running.runtime.rebuild("case").await.unwrap();

    assert_eq!(rebuilt.events, 5);
    assert_eq!(before.len(), 2);
    assert_eq!(world.column(rows).await, before);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_newer_version_is_parked_and_others_are_screened() {
    let world = World::start().await;
    let raw = shared_schemas::RawEvent {
        event_type: "post.published.v99".to_owned(),
        data: serde_json::json!({}),
    };
    let id = Uuid::from_u128(10);
    let nobody = shared_schemas::envelope::Metadata::default();
    world
        .publisher
        .publish_raw(Service::Post, "post", id, 1, &raw, &nobody, crate::support::noon(0))
        .await
        .unwrap();
    let later = world.post(12, INSULT).await;

    world.case(Subject::Post(later)).await;

    let parked = world
        .column(
            "SELECT consumer_group FROM parked_event WHERE reason = 'unknown_version' ORDER BY 1",
        )
        .await;
    assert!(parked.contains(&"moderation.screen".to_owned()), "{parked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn screenings_are_never_published() {
    let world = World::start().await;
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let id: Uuid = case["id"].as_str().unwrap().parse().unwrap();

    let stream = stream_key(Service::Moderation, world.publisher.partition_of(id));
    let published: Vec<fred::types::Value> = eventually(SOON, || async {
        let entries: Vec<fred::types::Value> =
            world.redis.command(&["XRANGE", &stream, "-", "+"]).await.unwrap();
        if entries.is_empty() { Err("nothing published") } else { Ok(entries) }
    })
    .await;

    let published = format!("{published:?}");
    assert!(published.contains("case.opened.v1"), "{published}");
    assert!(!published.contains("screening"), "{published}");
}
