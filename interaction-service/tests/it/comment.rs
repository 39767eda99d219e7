//! Comments: added, listed, read, edited, deleted.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{SOON, World, answer, tagged};

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_is_added_read_edited_and_deleted_by_its_author() {
    let world = World::start().await;
    let (author, commenter) = (world.person(1), world.person(2));
    let post = world.published(&author).await;

    let (status, added) =
        world.post(&commenter, &format!("/{post}/comments"), &json!({"body": " first "})).await;
    assert_eq!(status, 201, "{added}");
    assert_eq!(added["body"], "first");
    assert_eq!(added["post_id"], post.to_string());
    assert_eq!(added["author_id"], commenter.id.to_string());
    assert_eq!(added["total_replies"], 0);
    assert_eq!(added.get("parent_id"), None);

    let path = format!("/comments/{}", added["id"].as_str().unwrap());
    assert_eq!(world.get(&author, &path).await, (200, added.clone()));

    let (status, edited) = world.put(&commenter, &path, &json!({"body": "second"})).await;
    assert_eq!(status, 200);
    assert_eq!(edited["body"], "second");
    assert_eq!(edited["created_at"], added["created_at"]);
    assert_ne!(edited["updated_at"], added["updated_at"]);

    assert_eq!(world.delete(&commenter, &path).await, 204);
    assert_eq!(world.get(&commenter, &path).await.0, 404);
    assert_eq!(world.delete(&commenter, &path).await, 404);
    assert_eq!(world.put(&commenter, &path, &json!({"body": "third"})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_names_the_posts_author_and_category_and_the_parents_author() {
    let world = World::start().await;
    let (author, commenter) = (world.person(1), world.person(2));
    let post = world.published(&author).await;

    let parent = world.comment(&commenter, post, &json!({"body": "first"})).await;
    let answer = world.comment(&author, post, &json!({"body": "yes", "parent_id": parent})).await;

    let events = world.history("comment", answer).await;
    assert_eq!(events[0].raw.event_type, "comment.added.v1");
    assert_eq!(events[0].metadata.actor, Some(author.id));
    assert_eq!(
        events[0].raw.data,
        json!({
            "post_id": post, "post_author_id": author.id, "category": "FOOD", "author_id": author.id,
            "parent_id": parent, "parent_author_id": commenter.id, "body": "yes",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_author_changes_a_comment_and_only_at_the_version_named() {
    let world = World::start().await;
    let (author, commenter) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let path =
        format!("/comments/{}", world.comment(&commenter, post, &json!({"body": "first"})).await);

    let (status, refused) = world.put(&author, &path, &json!({"body": "mine"})).await;
    assert_eq!((status, &refused["type"]), (403, &json!("/problems/not-author")));
    assert_eq!(world.delete(&author, &path).await, 403);

    let put = |tag: &str| {
        let request = world.request(Method::PUT, &commenter, &path);
        tagged(request.header("If-Match", tag).json(&json!({"body": "second"})))
    };
    assert_eq!(put("\"7\"").await.0, 412);
    assert_eq!(put("7").await.0, 400);
    assert_eq!(put("\"1\"").await, (200, Some("\"2\"".to_owned())));
    assert_eq!(put("\"1\"").await.0, 412);
    let stale = world.request(Method::DELETE, &commenter, &path).header("If-Match", "\"1\"");
    assert_eq!(tagged(stale).await.0, 412);
    let read = tagged(world.request(Method::GET, &commenter, &path)).await;
    assert_eq!(read, (200, Some("\"2\"".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_acceptable_is_refused() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;
    let path = format!("/{post}/comments");

    for (body, expected) in [
        (json!({"body": "  "}), 422),
        (json!({"body": "a\u{7}b"}), 422),
        (json!({"body": ""}), 400),
        (json!({"body": "x".repeat(2_001)}), 400),
        (json!({}), 400),
        (json!({"body": "x", "mood": "good"}), 400),
        (json!({"body": "ü".repeat(2_000)}), 201),
    ] {
        assert_eq!(world.post(&author, &path, &body).await.0, expected, "{body}");
    }
    assert_eq!(world.items(&author, &path).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_token_is_refused() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;

    for (method, path) in [
        (Method::GET, format!("/{post}/comments")),
        (Method::POST, format!("/{post}/comments")),
        (Method::GET, format!("/{post}/post-reactions")),
        (Method::POST, format!("/{post}/view")),
    ] {
        assert_eq!(answer(world.anonymous(method, &path)).await.0, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_person_reads_and_looks_and_does_not_write() {
    let world = World::start().await;
    let (author, muted) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let path = format!("/{post}/comments");
    let comment = world.comment(&muted, post, &json!({"body": "before"})).await;

    let event = shared_schemas::user::UserEvent::StatusChanged {
        status: shared_schemas::user::AccountStatus::Muted,
        until: None,
    };
    world.publisher.publish(muted.id, 1, &event).await.unwrap();

    let refused = eventually(SOON, || async {
        match world.post(&muted, &path, &json!({"body": "x"})).await {
            (403, problem) => Ok(problem),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(refused["type"], "/problems/account-muted");
    assert_eq!(world.delete(&muted, &format!("/comments/{comment}")).await, 403);
    let (reactions, sad) = (format!("/{post}/post-reactions"), json!({"kind": "SAD"}));
    assert_eq!(world.post(&muted, &reactions, &sad).await.0, 403);
    assert_eq!(world.get(&muted, &path).await.0, 200);
    assert_eq!(world.post(&muted, &format!("/{post}/view"), &Value::Null).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_counted_while_they_stand_and_outlive_what_they_answer() {
    let world = World::start().await;
    let (author, commenter) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let replies = |id| {
        let (world, author) = (&world, &author);
        async move { world.get(author, &format!("/comments/{id}")).await.1["total_replies"].clone() }
    };

    let root = world.comment(&commenter, post, &json!({"body": "root"})).await;
    let reply = world.comment(&author, post, &json!({"body": "reply", "parent_id": root})).await;
    let deep = world.comment(&commenter, post, &json!({"body": "deep", "parent_id": reply})).await;
    assert_eq!((replies(root).await, replies(reply).await), (json!(1), json!(1)));
    let answers = world.items(&author, &format!("/{post}/comments?parent_id={root}")).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["id"], reply.to_string());

    assert_eq!(world.delete(&author, &format!("/comments/{reply}")).await, 204);

    assert_eq!(replies(root).await, json!(0));
    let left = world.items(&author, &format!("/{post}/comments")).await;
    let left: Vec<&Value> = left.iter().map(|comment| &comment["id"]).collect();
    assert_eq!(left, [&json!(deep), &json!(root)]);
    assert_eq!(world.get(&author, &format!("/comments/{deep}")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_needs_a_comment_that_stands_on_the_same_post() {
    let world = World::start().await;
    let author = world.person(1);
    let (post, other) = (world.published(&author).await, world.published(&author).await);
    let elsewhere = world.comment(&author, other, &json!({"body": "elsewhere"})).await;
    let deleted = world.comment(&author, post, &json!({"body": "gone"})).await;
    assert_eq!(world.delete(&author, &format!("/comments/{deleted}")).await, 204);

    for parent in [elsewhere.0, deleted.0, Uuid::from_u128(9)] {
        let body = json!({"body": "x", "parent_id": parent});
        let (status, problem) = world.post(&author, &format!("/{post}/comments"), &body).await;
        assert_eq!((status, &problem["type"]), (422, &json!("/problems/unknown-parent")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_comment_once_newest_first() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;
    let mut added = Vec::new();
    for number in 0..5 {
        let id = world.comment(&author, post, &json!({"body": format!("{number}")})).await;
        added.insert(0, json!(id));
    }

    let mut seen = Vec::new();
    let mut path = format!("/{post}/comments?limit=2");
    loop {
        let (status, page) = world.get(&author, &path).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|comment| comment["id"].clone()));
        let Some(cursor) = page.get("next_cursor") else { break };
        path = format!("/{post}/comments?limit=2&cursor={}", cursor.as_str().unwrap());
    }

    assert_eq!(seen, added);
    for wrong in ["limit=0", "limit=101", "cursor=nowhere", "parent_id=x"] {
        assert_eq!(world.get(&author, &format!("/{post}/comments?{wrong}")).await.0, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_adds_one_comment_and_gives_one_answer() {
    let world = World::start().await;
    let (author, other) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let add = |person, body: &str| {
        let request = world.request(Method::POST, person, &format!("/{post}/comments"));
        answer(request.header("Idempotency-Key", "key-1").json(&json!({"body": body})))
    };

    let answers = join_all((0..8).map(|_| add(&author, "once"))).await;

    assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:?}");
    assert!(answers.iter().all(|(_, comment)| comment["id"] == answers[0].1["id"]));
    assert_eq!(add(&author, "otherwise").await.0, 422);
    assert_eq!(add(&other, "theirs").await.0, 201);
    assert_eq!(world.items(&author, &format!("/{post}/comments")).await.len(), 2);
}
