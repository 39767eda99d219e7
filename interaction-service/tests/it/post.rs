//! Posts: waited for when they are new, closed when their authors or moderation say so.

use std::{pin::pin, time::Duration};

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{
    CaseId, PostId, ReactionId,
    post::{Category, PostEvent},
};
use test_kit::eventually;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::support::{SOON, World, answer, published};

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_event_is_under_way_is_waited_for() {
    let world = World::start().await;
    let author = world.person(1);
    let post = PostId::new(world.clock.now());
    let (path, body) = (format!("/{post}/comments"), json!({"body": "first"}));
    let mut request = pin!(world.post(&author, &path, &body));

    assert!(timeout(Duration::from_millis(300), &mut request).await.is_err(), "it did not wait");
    world.tell(post, 1, &published(author.id, Category::Food)).await;

    let (status, comment) = request.await;
    assert_eq!(status, 201, "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_post_that_never_comes_is_waited_for_in_vain_and_an_old_one_not_at_all() {
    let world = World::start().await;
    let person = world.person(1);
    let now = world.clock.now();

    let started = Instant::now();
    let new = PostId::new(now);
    assert_eq!(world.get(&person, &format!("/{new}/comments")).await.0, 404);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());

    for unknown in [PostId::new(now - TimeDelta::seconds(60)), PostId(Uuid::from_u128(5))] {
        let started = Instant::now();
        for path in [format!("/{unknown}/comments"), format!("/{unknown}/post-reactions")] {
            assert_eq!(world.get(&person, &path).await.0, 404);
        }
        let view = world.post(&person, &format!("/{unknown}/view"), &Value::Null).await;
        assert_eq!(view.0, 404);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_id_that_begins_like_a_fixed_path_is_still_a_post() {
    let world = World::start().await;
    let author = world.person(1);
    let post = PostId(Uuid::from_u128(0xc0ff_ee00_0000_7000_8000_0000_0000_0000));
    world.tell(post, 1, &published(author.id, Category::Food)).await;
    world.wait_for(&author, &format!("/{post}/comments"), 200).await;

    let comment = world.comment(&author, post, &json!({"body": "first"})).await;

    assert_eq!(world.get(&author, &format!("/comments/{comment}")).await.0, 200);
    let (status, problem) = world.get(&author, "/comments/no-id").await;
    assert_eq!((status, &problem["title"]), (400, &json!("Bad Request")));
    assert_eq!(answer(world.request(Method::PATCH, &author, "/comments/x")).await.0, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_post_is_closed_for_everybody() {
    let world = World::start().await;
    let (author, reader, moderator) = (world.person(1), world.person(2), world.moderator(3));
    let post = world.published(&author).await;
    let comment = world.comment(&reader, post, &json!({"body": "first"})).await;
    let comments = format!("/{post}/comments");

    world.tell(post, 2, &PostEvent::Deleted {}).await;

    world.wait_for(&author, &comments, 404).await;
    for person in [&author, &reader, &moderator] {
        assert_eq!(world.get(person, &comments).await.0, 404);
        assert_eq!(world.post(person, &comments, &json!({"body": "x"})).await.0, 404);
        let reactions = format!("/{post}/post-reactions");
        assert_eq!(world.post(person, &reactions, &json!({"kind": "SAD"})).await.0, 404);
        assert_eq!(world.post(person, &format!("/{post}/view"), &Value::Null).await.0, 404);
    }
    let path = format!("/comments/{comment}");
    assert_eq!(world.get(&author, &path).await.0, 404);
    assert_eq!(world.put(&reader, &path, &json!({"body": "x"})).await.0, 404);
    // What somebody wrote stays theirs to read and to delete.
    assert_eq!(world.get(&reader, &path).await.0, 200);
    assert_eq!(world.delete(&reader, &path).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_post_is_closed_for_others_until_it_is_published_again() {
    let world = World::start().await;
    let (author, reader, moderator) = (world.person(1), world.person(2), world.moderator(3));
    let post = world.published(&author).await;
    let comments = format!("/{post}/comments");
    let reactions = format!("/{post}/post-reactions");
    assert_eq!(world.post(&author, &reactions, &json!({"kind": "JOY"})).await.0, 201);
    let reaction = format!("/post-reactions/{}", ReactionId::of(author.id, post));

    world.tell(post, 2, &PostEvent::Archived {}).await;
    world.wait_for(&reader, &comments, 404).await;
    assert_eq!(world.post(&reader, &comments, &json!({"body": "x"})).await.0, 404);
    assert_eq!(world.post(&reader, &reactions, &json!({"kind": "SAD"})).await.0, 404);
    assert_eq!(world.get(&reader, &reaction).await.0, 404);
    assert_eq!(world.post(&reader, &format!("/{post}/view"), &Value::Null).await.0, 404);
    assert_eq!(world.get(&author, &comments).await.0, 200);
    assert_eq!(world.get(&author, &reaction).await.0, 200);
    assert_eq!(world.get(&moderator, &comments).await.0, 200);

    world.tell(post, 3, &published(author.id, Category::Books)).await;
    world.wait_for(&reader, &comments, 200).await;
    let comment = world.comment(&reader, post, &json!({"body": "back"})).await;
    let events = world.history("comment", comment).await;
    assert_eq!(events[0].raw.data["category"], "BOOKS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_archived_while_hidden_stays_closed_when_it_is_restored() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let (case_id, author_id) = (CaseId(Uuid::from_u128(9)), author.id);
    let post = world.published(&author).await;
    let comments = format!("/{post}/comments");
    assert_eq!(world.get(&reader, &comments).await.0, 200);

    world.tell(post, 2, &PostEvent::Hidden { author_id, case_id }).await;
    world.wait_for(&reader, &comments, 404).await;
    world.tell(post, 3, &PostEvent::Archived {}).await;
    world.tell(post, 4, &PostEvent::Restored { author_id, case_id }).await;
    let edited = PostEvent::Edited {
        author_id,
        title: "A title".to_owned(),
        body: "Another body.".to_owned(),
        category: Category::Travel,
    };
    world.tell(post, 5, &edited).await;
    eventually(SOON, || async {
        let comment = world.comment(&author, post, &json!({"body": "mine"})).await;
        let events = world.history("comment", comment).await;
        events[0].raw.data["category"] == "TRAVEL"
    })
    .await;
    assert_eq!(world.get(&reader, &comments).await.0, 404);

    world.tell(post, 6, &published(author.id, Category::Food)).await;
    world.wait_for(&reader, &comments, 200).await;
}
