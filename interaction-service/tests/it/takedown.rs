//! Moderation decisions about comments, carried out.

use sea_orm::{ConnectionTrait as _, raw_sql};
use serde_json::{Value, json};
use shared_schemas::{CaseId, CommentId, moderation::Decision};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{SOON, World};

const CASE: CaseId = CaseId(Uuid::from_u128(9));

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_comment_is_hidden_and_a_restored_one_is_back() {
    let world = World::start().await;
    let (author, reader, moderator) = (world.person(1), world.person(2), world.moderator(3));
    let post = world.published(&author).await;
    let root = world.comment(&reader, post, &json!({"body": "root"})).await;
    let reply = world.comment(&author, post, &json!({"body": "bad", "parent_id": root})).await;
    let deep = world.comment(&reader, post, &json!({"body": "deep", "parent_id": reply})).await;
    let path = format!("/comments/{reply}");
    let comments = format!("/{post}/comments");
    let before = world.get(&reader, &path).await;

    world.decide(CASE, 2, reply, Decision::Delete).await;

    world.wait_for(&reader, &path, 404).await;
    for person in [&author, &moderator] {
        let (status, shown) = world.get(person, &path).await;
        assert_eq!((status, &shown["hidden"], &shown["body"]), (200, &json!(true), &json!("bad")));
        let listed = world.items(person, &comments).await;
        let listed: Vec<&Value> = listed.iter().map(|comment| &comment["id"]).collect();
        assert_eq!(listed, [&json!(deep), &json!(root)]);
    }
    let parent = world.get(&reader, &format!("/comments/{root}")).await.1;
    assert_eq!(parent["total_replies"], 0);
    let answer = json!({"body": "x", "parent_id": reply});
    assert_eq!(world.post(&reader, &comments, &answer).await.0, 422);
    assert_eq!(world.put(&reader, &path, &json!({"body": "x"})).await.0, 404);

    world.decide(CASE, 3, reply, Decision::Restore).await;

    world.wait_for(&reader, &path, 200).await;
    assert_eq!(world.get(&reader, &path).await, before);
    assert_eq!(world.items(&reader, &comments).await.len(), 3);
    let parent = world.get(&reader, &format!("/comments/{root}")).await.1;
    assert_eq!(parent["total_replies"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_comment_is_exactly_what_was_removed() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let comment = world.comment(&author, post, &json!({"body": "bad"})).await;
    let path = format!("/comments/{comment}");
    let row = row_hash(&world, comment).await;

    world.decide(CASE, 2, comment, Decision::Delete).await;
    world.wait_for(&reader, &path, 404).await;
    assert_ne!(row_hash(&world, comment).await, row);
    world.decide(CASE, 3, comment, Decision::Restore).await;
    world.wait_for(&reader, &path, 200).await;

    assert_eq!(row_hash(&world, comment).await, row);
    world.audited().await;
}

/// A hash of everything that the read model holds of a comment but its version, which counts the events.
async fn row_hash(world: &World, comment: CommentId) -> String {
    let id = comment.0;
    let row = world
        .db()
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT md5((to_jsonb(c) - 'version')::text) AS hash FROM comment c WHERE id = {id}"
        ))
        .await
        .unwrap();
    row.unwrap().try_get("", "hash").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_takes_effect_once_and_names_its_case() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;
    let comment = world.comment(&author, post, &json!({"body": "bad"})).await;
    let last = world.comment(&author, post, &json!({"body": "last"})).await;

    world.decide(CASE, 2, comment, Decision::Dismiss).await;
    world.decide(CASE, 3, comment, Decision::Restore).await;
    world.decide(CASE, 4, comment, Decision::Delete).await;
    world.decide(CASE, 5, comment, Decision::Delete).await;
    world.decide(CASE, 6, last, Decision::Delete).await;
    world.wait_for(&world.person(2), &format!("/comments/{last}"), 404).await;

    let events = world.history("comment", comment).await;
    let types: Vec<&str> = events.iter().map(|event| event.raw.event_type.as_str()).collect();
    assert_eq!(types, ["comment.added.v1", "comment.hidden.v1"]);
    assert_eq!(events[1].raw.data["case_id"], json!(CASE));
    assert_eq!(events[1].raw.data["author_id"], json!(author.id));
    assert_eq!(events[1].metadata.actor, None);
    assert!(events[1].metadata.causation_id.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_answer_that_its_author_deletes_is_not_counted_twice() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let root = world.comment(&author, post, &json!({"body": "root"})).await;
    let good = world.comment(&author, post, &json!({"body": "good", "parent_id": root})).await;
    let bad = world.comment(&author, post, &json!({"body": "bad", "parent_id": root})).await;

    world.decide(CASE, 2, bad, Decision::Delete).await;
    world.wait_for(&reader, &format!("/comments/{bad}"), 404).await;
    assert_eq!(world.delete(&author, &format!("/comments/{bad}")).await, 204);
    world.decide(CASE, 3, bad, Decision::Restore).await;
    world.decide(CASE, 4, good, Decision::Delete).await;

    let count = eventually(SOON, || async {
        let status = world.get(&reader, &format!("/comments/{good}")).await.0;
        (status == 404).then_some(world.get(&reader, &format!("/comments/{root}")).await.1)
    })
    .await;
    assert_eq!(count["total_replies"], 0);
    assert_eq!(world.history("comment", bad).await.len(), 3);
}
