//! Reactions: one per person and post.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::ReactionId;

use crate::support::{World, answer, tagged};

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_given_changed_taken_back_and_given_again() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let all = format!("/{post}/post-reactions");

    let (status, given) = world.post(&reader, &all, &json!({"kind": "LIKE"})).await;
    assert_eq!(status, 201, "{given}");
    assert_eq!(given["id"], ReactionId::of(reader.id, post).to_string());
    assert_eq!(given["user_id"], reader.id.to_string());
    let path = format!("/post-reactions/{}", given["id"].as_str().unwrap());
    assert_eq!(world.get(&author, &path).await, (200, given));

    let (status, refused) = world.post(&reader, &all, &json!({"kind": "LOVE"})).await;
    assert_eq!((status, &refused["type"]), (409, &json!("/problems/already-reacted")));

    let (status, changed) = world.put(&reader, &path, &json!({"kind": "LOVE"})).await;
    assert_eq!((status, &changed["kind"]), (200, &json!("LOVE")));

    assert_eq!(world.delete(&reader, &path).await, 204);
    assert_eq!(world.get(&reader, &path).await.0, 404);
    assert_eq!(world.delete(&reader, &path).await, 404);
    assert_eq!(world.items(&author, &all).await, Vec::<Value>::new());

    let (status, again) = world.post(&reader, &all, &json!({"kind": "JOY"})).await;
    assert_eq!((status, &again["kind"]), (201, &json!("JOY")));

    let events = world.history("reaction", ReactionId::of(reader.id, post)).await;
    let types: Vec<&str> = events.iter().map(|event| event.raw.event_type.as_str()).collect();
    assert_eq!(
        types,
        ["reaction.added.v1", "reaction.changed.v1", "reaction.removed.v1", "reaction.added.v1"]
    );
    for event in [&events[0], &events[2], &events[3]] {
        assert_eq!(event.raw.data["post_author_id"], json!(author.id));
        assert_eq!(event.raw.data["category"], "FOOD");
    }
    assert_eq!(events[2].raw.data["kind"], "LOVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reactions_of_one_person_at_once_are_one() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let (path, like) = (format!("/{post}/post-reactions"), json!({"kind": "LIKE"}));

    let answers = join_all((0..50).map(|_| world.post(&reader, &path, &like))).await;

    let count = |expected| answers.iter().filter(|(status, _)| *status == expected).count();
    assert_eq!((count(201), count(409)), (1, 49), "{answers:?}");
    assert_eq!(world.items(&author, &path).await.len(), 1);
    assert_eq!(world.history("reaction", ReactionId::of(reader.id, post)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_person_who_reacted_changes_a_reaction_and_only_at_the_version_named() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let all = format!("/{post}/post-reactions");
    assert_eq!(world.post(&reader, &all, &json!({"kind": "LIKE"})).await.0, 201);
    let path = format!("/post-reactions/{}", ReactionId::of(reader.id, post));

    let (status, refused) = world.put(&author, &path, &json!({"kind": "SAD"})).await;
    assert_eq!((status, &refused["type"]), (403, &json!("/problems/not-owner")));
    assert_eq!(world.delete(&author, &path).await, 403);

    let put = |tag: &str| {
        let request = world.request(Method::PUT, &reader, &path);
        tagged(request.header("If-Match", tag).json(&json!({"kind": "SAD"})))
    };
    assert_eq!(put("\"2\"").await.0, 412);
    assert_eq!(put("\"1\"").await, (200, Some("\"2\"".to_owned())));
    assert_eq!(put("*").await, (200, Some("\"2\"".to_owned())));
    let stale = world.request(Method::DELETE, &reader, &path).header("If-Match", "\"1\"");
    assert_eq!(tagged(stale).await.0, 412);
    assert_eq!(world.post(&reader, &all, &json!({"kind": "MEH"})).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_are_listed_newest_first_by_page_and_by_kind() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;
    let all = format!("/{post}/post-reactions");
    let mut given = Vec::new();
    for (number, kind) in [(1, "LIKE"), (2, "SAD"), (3, "LIKE")] {
        let (status, reaction) =
            world.post(&world.person(number), &all, &json!({ "kind": kind })).await;
        assert_eq!(status, 201, "{reaction}");
        given.insert(0, reaction);
    }

    let (_, first) = world.get(&author, &format!("{all}?limit=2")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = world.get(&author, &format!("{all}?limit=2&cursor={cursor}")).await;

    assert_eq!(first["items"], json!([given[0], given[1]]));
    assert_eq!(second, json!({"items": [given[2]]}));
    let likes = world.items(&author, &format!("{all}?kind=LIKE")).await;
    assert_eq!(likes, [given[0].clone(), given[2].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_age_gives_an_answer_and_no_failure() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;

    // A cursor is a signed number and an id in base64: the smallest number, and the largest.
    for cursor in ["gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "f_______________________________"] {
        let path = format!("/{post}/post-reactions?cursor={cursor}");
        assert_eq!(world.get(&author, &path).await.0, 200, "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_gives_the_first_answer_with_its_version() {
    let world = World::start().await;
    let author = world.person(1);
    let post = world.published(&author).await;
    let react = |key: &str, kind: &str| {
        let request = world.request(Method::POST, &author, &format!("/{post}/post-reactions"));
        request.header("Idempotency-Key", key).json(&json!({ "kind": kind }))
    };
    let path = format!("/post-reactions/{}", ReactionId::of(author.id, post));

    assert_eq!(answer(react("a", "LIKE")).await.0, 201);
    assert_eq!(world.delete(&author, &path).await, 204);
    let again = answer(react("b", "SAD")).await;
    assert_eq!(again.0, 201, "{again:?}");

    assert_eq!(answer(react("b", "SAD")).await, again);
    assert_eq!(tagged(react("b", "SAD")).await, (201, Some("\"3\"".to_owned())));
    assert_eq!(tagged(react("a", "LIKE")).await, (201, Some("\"1\"".to_owned())));
    assert_eq!(answer(react("b", "JOY")).await.0, 422);
    assert_eq!(answer(react("c", "JOY")).await.0, 409);
    assert_eq!(world.history("reaction", ReactionId::of(author.id, post)).await.len(), 3);
}
