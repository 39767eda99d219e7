//! Every table that is made of events can be made of them again.

use sea_orm::{ConnectionTrait, Statement, raw_sql};
use serde_json::json;
use shared_schemas::{CaseId, ReactionId, moderation::Decision, post::PostEvent};
use uuid::Uuid;

use crate::support::World;

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
    world.audited().await;
    // What is wrong is found, and does not survive.
    world
        .db()
        .execute_unprepared(
            "UPDATE comment SET total_replies = 7, hidden = false; UPDATE reaction SET kind = 'SAD';
             UPDATE post SET archived = NOT archived, category = 'NEWS'",
        )
        .await
        .unwrap();

    let runtime = &world.running.runtime;
    for (name, events, damaged) in
        [("comment", 9, 5), ("reaction", 4, 1), ("interaction.post", 3, 2)]
    {
        assert_eq!(runtime.audit(name).await.unwrap().drift_rows(), damaged, "{name}");
        assert_eq!(runtime.rebuild(name).await.unwrap().events, events, "{name}");
    }

    let after =
        [world.query(comments()).await, world.query(reactions()).await, world.query(posts()).await];
    assert_eq!(after, before);
    world.audited().await;
    assert!(runtime.rebuild("interaction.takedown").await.is_err());
}
