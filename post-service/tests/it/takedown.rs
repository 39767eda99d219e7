//! Moderation decisions about posts, carried out.

use sea_orm::{ConnectionTrait as _, raw_sql};
use shared_schemas::{
    CaseId, PostId,
    moderation::{CaseEvent, Decider, Decision, ModerationReason, Subject},
    user::Role,
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{Person, SOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_post_is_hidden_and_a_restored_one_is_back() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let moderator = world.person_with(3, &[Role::User, Role::Moderator]);
    let post = PostId(world.write(&author, "POSTED").await);

    decide(&world, &author, post, 2, Decision::Delete).await;
    wait_for(&world, &reader, post, 404).await;
    assert_eq!(world.get(&author, &format!("/posts/{post}")).await.1["hidden"], true);
    assert_eq!(world.get(&moderator, &format!("/posts/{post}")).await.0, 200);
    assert_eq!(world.get(&reader, "/posts").await.1["items"], serde_json::json!([]));

    decide(&world, &author, post, 3, Decision::Restore).await;
    wait_for(&world, &reader, post, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_post_is_exactly_what_was_removed() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = PostId(world.write(&author, "POSTED").await);
    let (_, before) = world.get(&reader, &format!("/posts/{post}")).await;
    let row = row_hash(&world, post).await;

    decide(&world, &author, post, 2, Decision::Delete).await;
    wait_for(&world, &reader, post, 404).await;
    assert_ne!(row_hash(&world, post).await, row);
    decide(&world, &author, post, 3, Decision::Restore).await;
    wait_for(&world, &reader, post, 200).await;

    assert_eq!(row_hash(&world, post).await, row);
    assert_eq!(world.get(&reader, &format!("/posts/{post}")).await.1, before);
    world.audited().await;
}

/// A hash of everything that the read model holds of a post but its version, which counts the events.
async fn row_hash(world: &World, post: PostId) -> String {
    let id = post.0;
    let row = world
        .running
        .store
        .db()
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT md5((to_jsonb(p) - 'version')::text) AS hash FROM post p WHERE id = {id}"
        ))
        .await
        .unwrap();
    row.unwrap().try_get("", "hash").unwrap()
}

async fn decide(world: &World, author: &Person, post: PostId, version: i64, decision: Decision) {
    let event = CaseEvent::Decided {
        subject: Subject::Post(post),
        author_id: author.id,
        decision,
        reasons: vec![ModerationReason::Spam],
        decided_by: Decider::Policy { version: "test".to_owned(), batch_id: None },
    };
    world.publisher.publish(CaseId(Uuid::from_u128(9)), version, &event).await.unwrap();
}

async fn wait_for(world: &World, reader: &Person, post: PostId, expected: u16) {
    eventually(SOON, || async {
        let (code, shown) = world.get(reader, &format!("/posts/{post}")).await;
        if code == expected { Ok(()) } else { Err(shown) }
    })
    .await;
}
