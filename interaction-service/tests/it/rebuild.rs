//! Every table that is made of events can be made of them again.

use sea_orm::{ConnectionTrait, Statement, raw_sql};
use serde_json::{Value, json};
use shared_schemas::{CaseId, ReactionId, moderation::Decision, post::PostEvent};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{SOON, World};

fn comments() -> Statement {
    raw_sql!(Postgres, "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY id), '[]') FROM comment t")
}

fn reactions() -> Statement {
    raw_sql!(Postgres, "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY id), '[]') FROM reaction t")
}

fn posts() -> Statement {
    raw_sql!(Postgres, "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY id), '[]') FROM post t")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_rows() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let (post, archived) = (world.published(&author).await, world.published(&author).await);
    let root = world.comment(&reader, post, &json!({"body": "root"})).await;
    let reply = world.comment(&author, post, &json!({"body": "one", "parent_id": root})).await;
    let gone = world.comment(&author, post, &json!({"body": "two", "parent_id": root})).await;
    let bad = world.comment(&author, post, &json!({"body": "bad", "parent_id": root})).await;
    world.comment(&reader, post, &json!({"body": "deep", "parent_id": gone})).await;
    world.comment(&reader, archived, &json!({"body": "early"})).await;
    assert_eq!(
        world.put(&author, &format!("/comments/{reply}"), &json!({"body": "1"})).await.0,
        200
    );
    assert_eq!(world.delete(&author, &format!("/comments/{gone}")).await, 204);
    for (person, kind) in [(&author, "SAD"), (&reader, "LIKE")] {
        let path = format!("/{post}/post-reactions");
        assert_eq!(world.post(person, &path, &json!({ "kind": kind })).await.0, 201);
    }
    let mine = format!("/post-reactions/{}", ReactionId::of(author.id, post));
    assert_eq!(world.delete(&author, &mine).await, 204);
    let theirs = format!("/post-reactions/{}", ReactionId::of(reader.id, post));
    assert_eq!(world.put(&reader, &theirs, &json!({"kind": "LOVE"})).await.0, 200);
    world.tell(archived, 2, &PostEvent::Archived {}).await;
    world.wait_for(&reader, &format!("/{archived}/comments"), 404).await;
    world.decide(CaseId(Uuid::from_u128(9)), 2, bad, Decision::Delete).await;
    world.wait_for(&reader, &format!("/comments/{bad}"), 404).await;

    let before =
        [world.query(comments()).await, world.query(reactions()).await, world.query(posts()).await];
    assert_eq!(before.each_ref().map(|rows| rows.as_array().unwrap().len()), [5, 1, 2]);
    // What is wrong must not survive.
    world
        .db()
        .execute_unprepared(
            "UPDATE comment SET total_replies = 7, hidden = false; UPDATE reaction SET kind = 'SAD';
             UPDATE post SET archived = NOT archived, category = 'NEWS'",
        )
        .await
        .unwrap();

    let runtime = &world.running.runtime;
    assert_eq!(runtime.rebuild("comment").await.unwrap().events, 9);
    assert_eq!(runtime.rebuild("reaction").await.unwrap().events, 4);
    assert!(runtime.rebuild("interaction.post").await.unwrap().events > 0);

    assert_eq!(world.query(comments()).await, before[0]);
    assert_eq!(world.query(reactions()).await, before[1]);
    eventually(SOON, || async {
        let rows: Value = world.query(posts()).await;
        if rows == before[2] { Ok(()) } else { Err(rows) }
    })
    .await;
    assert!(runtime.rebuild("interaction.takedown").await.is_err());
}
