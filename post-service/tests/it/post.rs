//! Posts: who may write, see and change them.

use reqwest::Method;
use serde_json::json;

use crate::support::{World, a_post, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_there_for_everybody_as_soon_as_it_is_written() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));

    let id = world.write(&author, "POSTED").await;

    let (code, post) = world.get(&reader, &format!("/posts/{id}")).await;
    assert_eq!(code, 200);
    assert_eq!(post["author_id"], author.id.to_string());
    assert_eq!(post["total_views"], 0);
    let (_, page) = world.get(&reader, "/posts").await;
    assert_eq!(page["items"][0]["id"], id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_exists_for_its_author_alone() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));

    let id = world.write(&author, "DRAFT").await;

    assert_eq!(world.get(&author, &format!("/posts/{id}")).await.0, 200);
    assert_eq!(world.get(&reader, &format!("/posts/{id}")).await.0, 404);
    assert_eq!(world.get(&reader, "/posts?status=DRAFT").await.1["items"], json!([]));
    assert_eq!(world.get(&author, "/posts?status=DRAFT").await.1["items"][0]["id"], id.to_string());
    let change =
        world.send(Method::PUT, &reader, &format!("/posts/{id}"), &a_post("x", "POSTED")).await;
    assert_eq!(change.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_needs_the_version_that_was_read() {
    let world = World::start().await;
    let author = world.person(1);
    let id = world.write(&author, "POSTED").await;
    let path = format!("/posts/{id}");
    let read = world.request(Method::GET, &author, &path).send().await.unwrap();
    let tag = read.headers()["etag"].to_str().unwrap().to_owned();
    let edit = |title: &str| {
        world
            .request(Method::PUT, &author, &path)
            .header("If-Match", &tag)
            .json(&a_post(title, "POSTED"))
    };

    let first = edit("first").send().await.unwrap();
    let second = answer(edit("second").send().await.unwrap()).await;

    assert_eq!(first.status(), 200);
    assert_ne!(first.headers()["etag"], tag.as_str());
    assert_eq!(second.0, 412);
    assert_eq!(second.1["type"], "/problems/version-conflict");
    assert_eq!(world.get(&author, &path).await.1["title"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_author_changes_and_deletes() {
    let world = World::start().await;
    let (author, stranger) = (world.person(1), world.person(2));
    let path = format!("/posts/{}", world.write(&author, "POSTED").await);

    assert_eq!(world.send(Method::PUT, &stranger, &path, &a_post("x", "POSTED")).await.0, 403);
    assert_eq!(world.send(Method::DELETE, &stranger, &path, &json!(null)).await.0, 403);
    assert_eq!(world.send(Method::DELETE, &author, &path, &json!(null)).await.0, 204);
    assert_eq!(world.get(&author, &path).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_with_its_key_makes_one_post() {
    let world = World::start().await;
    let author = world.person(1);
    let write = |title: &'static str| {
        world
            .request(Method::POST, &author, "/posts")
            .header("Idempotency-Key", "one")
            .json(&a_post(title, "POSTED"))
    };

    let answers = futures_util::future::join_all(
        (0..10).map(|_| async { answer(write("t").send().await.unwrap()).await }),
    );
    let answers = answers.await;

    assert!(
        answers.iter().all(|(code, post)| *code == 201 && post == &answers[0].1),
        "{answers:?}"
    );
    assert_eq!(world.get(&author, "/posts").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(answer(write("other").send().await.unwrap()).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_post_once() {
    let world = World::start().await;
    let author = world.person(1);
    for _ in 0..5 {
        world.write(&author, "POSTED").await;
    }

    let mut seen = Vec::new();
    let mut path = "/posts?limit=2".to_owned();
    loop {
        let (code, page) = world.get(&author, &path).await;
        assert_eq!(code, 200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|post| post["id"].to_string()));
        // Something new meanwhile must not move the pages.
        world.write(&author, "POSTED").await;
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/posts?limit=2&cursor={cursor}"),
            None => break,
        }
    }

    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!((seen.len(), once.len()), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem() {
    let world = World::start().await;
    let author = world.person(1);
    let too_long = a_post(&"x".repeat(201), "POSTED");
    let nul = json!({ "title": "a\u{0}b", "body": "b", "category": "BOOKS" });
    let blank = json!({ "title": "   ", "body": "b", "category": "BOOKS" });
    let unknown = json!({ "title": "a", "body": "b", "category": "BOOKS", "views": 9 });

    for (body, expected) in [(too_long, 400), (nul, 400), (blank, 422), (unknown, 400)] {
        let (code, problem) = world.send(Method::POST, &author, "/posts", &body).await;
        assert_eq!(code, expected, "{problem}");
        assert_eq!(problem["status"], expected, "{problem}");
    }
    for (path, expected) in [
        ("/posts/no-id", 400),
        ("/nowhere", 404),
        ("/posts?limit=0", 400),
        ("/posts?cursor=x", 400),
    ] {
        let (code, problem) = world.get(&author, path).await;
        assert_eq!(
            (code, problem["status"].as_u64()),
            (expected, Some(u64::from(expected))),
            "{path}: {problem}"
        );
    }
    let refused = world.request(Method::PATCH, &author, "/posts").send().await.unwrap();
    assert_eq!(refused.status(), 405);
    assert!(refused.headers()["allow"].to_str().unwrap().contains("POST"));
    let anonymous =
        reqwest::get(format!("http://{}/api/v1/posts", world.running.addr)).await.unwrap();
    assert_eq!(anonymous.status(), 401);
    assert!(anonymous.headers().contains_key("www-authenticate"));
    assert_eq!(anonymous.headers()["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_age_gives_an_answer_and_no_failure() {
    let world = World::start().await;
    let author = world.person(1);

    // A cursor is a signed number of microseconds and an id in base64: the smallest, the largest, and some 200 000 years ago,
    // which chrono knows and PostgreSQL does not.
    for cursor in [
        "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "f_______________________________",
        "qJHnYPsKAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(world.get(&author, &format!("/posts?cursor={cursor}")).await.0, 200, "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_model_made_anew_is_the_same() {
    let world = World::start().await;
    let author = world.person(1);
    for status in ["DRAFT", "POSTED", "POSTED"] {
        world.write(&author, status).await;
    }
    let (_, before) = world.get(&author, "/posts").await;

    world.running.runtime.rebuild("post").await.unwrap();

    assert_eq!(world.get(&author, "/posts").await.1, before);
    assert_eq!(before["items"].as_array().unwrap().len(), 2);
}
