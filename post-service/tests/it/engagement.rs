//! Totals: what people did with a post, as interaction-service says.

use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;
use shared_schemas::{
    CommentId, PostId, ReactionId, UserId, ViewId,
    comment::CommentEvent,
    post::Category,
    reaction::{ReactionEvent, ReactionKind},
    view::ViewEvent,
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{Person, SOON, World, a_post};

#[tokio::test(flavor = "multi_thread")]
async fn totals_follow_comments_reactions_and_views() {
    let world = World::start().await;
    let author = world.person(1);
    let post = PostId(world.write(&author, "POSTED").await);

    for viewer in 10..14 {
        view(&world, &author, post, viewer).await;
    }
    comment(&world, &author, post).await;
    react(&world, &author, post, 10, ReactionKind::Love).await;

    eventually(SOON, || async {
        let (_, shown) = world.get(&author, &format!("/posts/{post}")).await;
        let totals = (
            &shown["total_views"],
            &shown["total_comments"],
            &shown["total_reactions"],
            &shown["score"],
        );
        if totals == (&4.into(), &1.into(), &1.into(), &10.into()) { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_made_anew_are_the_same() {
    let world = World::start().await;
    let author = world.person(1);
    let post = PostId(world.write(&author, "POSTED").await);
    for viewer in 10..30 {
        view(&world, &author, post, viewer).await;
    }
    wait_for_views(&world, &author, post, 20).await;
    comment(&world, &author, post).await;
    react(&world, &author, post, 7, ReactionKind::Like).await;
    eventually(SOON, || async {
        let (_, shown) = world.get(&author, &format!("/posts/{post}")).await;
        if shown["total_comments"] == 1 && shown["total_reactions"] == 1 {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
    let edited = a_post("Another title", "POSTED");
    assert_eq!(world.send(Method::PUT, &author, &format!("/posts/{post}"), &edited).await.0, 200);
    world.write(&author, "DRAFT").await;
    world.audited().await;
    let damage = "UPDATE engagement SET views = 7; UPDATE post SET title = 'Spoilt'";
    world.running.store.db().execute_unprepared(damage).await.unwrap();
    for (name, rows) in [("post", 2), ("post.engagement", 1)] {
        assert_eq!(world.running.runtime.audit(name).await.unwrap().drift_rows(), rows);
        world.running.runtime.rebuild(name).await.unwrap();
    }

    let (_, shown) = world.get(&author, &format!("/posts/{post}")).await;
    assert_eq!((&shown["total_views"], &shown["title"]), (&json!(20), &json!("Another title")));
    world.audited().await;
}

async fn wait_for_views(world: &World, author: &Person, post: PostId, views: i64) {
    eventually(SOON, || async {
        let (_, shown) = world.get(author, &format!("/posts/{post}")).await;
        if shown["total_views"] == views { Ok(()) } else { Err(shown) }
    })
    .await;
}

async fn view(world: &World, author: &Person, post_id: PostId, viewer: u128) {
    let viewer_id = UserId(Uuid::from_u128(viewer));
    let event = ViewEvent::Counted {
        post_id,
        post_author_id: author.id,
        category: Category::Books,
        viewer_id,
        hour: chrono::DateTime::UNIX_EPOCH,
    };
    world.publisher.publish(ViewId::of(viewer_id, post_id, 0), 1, &event).await.unwrap();
}

async fn comment(world: &World, author: &Person, post_id: PostId) {
    let event = CommentEvent::Added {
        post_id,
        post_author_id: author.id,
        category: Category::Books,
        author_id: author.id,
        parent_id: None,
        parent_author_id: None,
        body: "Well said.".to_owned(),
    };
    world.publisher.publish(CommentId(Uuid::from_u128(5)), 1, &event).await.unwrap();
}

async fn react(world: &World, author: &Person, post_id: PostId, person: u128, kind: ReactionKind) {
    let user_id = UserId(Uuid::from_u128(person));
    let event = ReactionEvent::Added {
        post_id,
        post_author_id: author.id,
        category: Category::Books,
        user_id,
        kind,
    };
    world.publisher.publish(ReactionId::of(user_id, post_id), 1, &event).await.unwrap();
}
