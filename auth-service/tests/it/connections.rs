//! Connections between people.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Person, Stage, problem};

async fn connect(stage: &Stage, person: &Person, other: &str) -> Response {
    stage.post_as(person, &format!("/users/{other}/connect"), json!({})).await
}

async fn disconnect(stage: &Stage, person: &Person, other: &str) -> StatusCode {
    let request = stage.request(Method::DELETE, &format!("/users/{other}/disconnect"));
    request.bearer_auth(&person.access).send().await.unwrap().status()
}

async fn connected(stage: &Stage, person: &Person) -> Vec<String> {
    let page: Value = stage.get_as(person, "/users/me/connections").await.json().await.unwrap();
    let items = page.get("items").and_then(Value::as_array).unwrap();
    items.iter().map(|item| crate::stage::text(item, "user_id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_holds_for_both_until_one_ends_it() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;

    assert_eq!(connect(&stage, &ada, &bob.id).await.status(), StatusCode::CREATED);

    assert_eq!(connected(&stage, &ada).await, [bob.id.as_str()]);
    assert_eq!(connected(&stage, &bob).await, [ada.id.as_str()]);
    let again = connect(&stage, &bob, &ada.id).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(problem(again).await, "already-connected");
    assert_eq!(disconnect(&stage, &bob, &ada.id).await, StatusCode::NO_CONTENT);
    assert_eq!(connected(&stage, &ada).await, [""; 0]);
    assert_eq!(disconnect(&stage, &ada, &bob.id).await, StatusCode::NOT_FOUND);
    assert_eq!(connect(&stage, &bob, &ada.id).await.status(), StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_somebody_else_who_is_there_can_be_connected_with() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;

    let oneself = connect(&stage, &ada, &ada.id).await;
    assert_eq!(oneself.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = connect(&stage, &ada, "00000000-0000-7000-8000-000000000000").await;
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
    let malformed = connect(&stage, &ada, "bob").await;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_with_a_key_connects_once_and_answers_alike() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    let ask = || async {
        let request = stage.request(Method::POST, &format!("/users/{}/connect", bob.id));
        let request = request.bearer_auth(&ada.access).header("Idempotency-Key", "once");
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };

    let first = ask().await;

    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(ask().await, first);
    assert_eq!(stage.events("connection.established.v1").await.len(), 1);
}
