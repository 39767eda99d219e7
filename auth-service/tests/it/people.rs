//! People: who is shown to whom, and who may change what.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Person, Stage, problem, text};

async fn put(stage: &Stage, person: &Person, id: &str, body: Value) -> reqwest::Response {
    let request = stage.request(Method::PUT, &format!("/users/{id}"));
    request.bearer_auth(&person.access).json(&body).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_people_is_paged_and_tells_no_address() {
    let stage = Stage::set().await;
    let mut people = Vec::new();
    for name in ["ada", "bob", "eve"] {
        people.push(stage.join(&format!("{name}@example.com")).await);
    }
    stage.sign_up("unverified@example.com", crate::stage::PASSWORD).await;
    stage.code("unverified@example.com", 1).await;

    let mut seen = Vec::new();
    let mut path = "/users?limit=2".to_owned();
    loop {
        let text_of_page = stage.get_as(&people[0], &path).await.text().await.unwrap();
        assert!(!text_of_page.contains('@'), "{text_of_page}");
        let page: Value = serde_json::from_str(&text_of_page).unwrap();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| text(item, "id")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/users?limit=2&cursor={cursor}");
    }

    let newest_first: Vec<String> = people.iter().rev().map(|person| person.id.clone()).collect();
    assert_eq!(seen, newest_first);
    let bob = stage.get_as(&people[0], &format!("/users/{}", people[1].id)).await;
    assert!(!bob.text().await.unwrap().contains('@'));
    assert_eq!(stage.get_as(&people[0], "/users?limit=0").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_changes_names_and_interests_and_nothing_else() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    let body = json!({ "first_name": "Augusta", "last_name": "King", "interests": ["FOOD"] });

    let changed = put(&stage, &ada, &ada.id, body.clone()).await;

    assert_eq!(changed.status(), StatusCode::OK);
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(
        (&changed["first_name"], &changed["interests"]),
        (&json!("Augusta"), &json!(["FOOD"]))
    );
    assert_eq!(put(&stage, &bob, &ada.id, body.clone()).await.status(), StatusCode::FORBIDDEN);
    for (field, value) in [
        ("password", json!("copper lantern drifts south")),
        ("roles", json!(["ADMIN"])),
        ("status", json!("BANNED")),
        ("email_verified", json!(true)),
        ("email", json!("other@example.com")),
    ] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().insert(field.to_owned(), value);
        let refused = put(&stage, &ada, &ada.id, body).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{field}");
    }
    let me: Value = stage.get_as(&ada, "/users/me").await.json().await.unwrap();
    assert_eq!(me["roles"], json!(["USER"]));
    assert_eq!(me["email"], "ada@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_what_holds_records_nothing_and_a_stale_version_is_refused() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let me = stage.get_as(&ada, "/users/me").await;
    let etag = me.headers()["etag"].to_str().unwrap().to_owned();
    let body =
        json!({ "first_name": "Ada", "last_name": "Lovelace", "interests": ["BOOKS", "FOOD"] });

    let same = put(&stage, &ada, &ada.id, body.clone()).await;

    assert_eq!(same.headers()["etag"].to_str().unwrap(), etag);
    let other = json!({ "first_name": "Ada", "last_name": "King", "interests": [] });
    let with_tag = |tag: String, body: Value| {
        let request = stage.request(Method::PUT, &format!("/users/{}", ada.id));
        request.bearer_auth(&ada.access).header("If-Match", tag).json(&body).send()
    };
    assert_eq!(with_tag(etag.clone(), other).await.unwrap().status(), StatusCode::OK);
    let refused = with_tag(etag, body).await.unwrap();
    assert_eq!(refused.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(problem(refused).await, "version-conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_tag_does_not_tell_whose_account_a_code_was_mailed_for() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    let path = format!("/users/{}", ada.id);
    let etag = async || {
        let shown = stage.get_as(&bob, &path).await;
        shown.headers()["etag"].to_str().unwrap().to_owned()
    };
    let before = etag().await;

    stage.post("/auth/forgot-password", json!({ "email": "ada@example.com" })).await;
    let code = stage.code("ada@example.com", 2).await;
    assert_eq!(etag().await, before);
    let body = json!({
        "email": "ada@example.com", "code": code, "new_password": crate::stage::OTHER_PASSWORD,
    });
    assert_eq!(stage.post("/auth/reset-password", body).await.status(), StatusCode::NO_CONTENT);

    assert_eq!(etag().await, before);
    stage.service.runtime.rebuild("credential").await.unwrap();
    assert_eq!(etag().await, before);
    let ada = stage.enter("ada@example.com", crate::stage::OTHER_PASSWORD).await;
    let renamed =
        json!({ "first_name": "Ada", "last_name": "King", "interests": ["BOOKS", "FOOD"] });
    assert_eq!(put(&stage, &ada, &ada.id, renamed).await.status(), StatusCode::OK);
    assert_ne!(etag().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn interests_are_listed_without_a_token() {
    let stage = Stage::set().await;

    let answer = stage.request(Method::GET, "/users/interests-choices").send().await.unwrap();

    let choices: Value = answer.json().await.unwrap();
    assert_eq!(choices.as_array().unwrap().len(), 22);
    assert_eq!(choices[0], json!({ "value": "SPORTS", "label": "Sports" }));
    let refused = stage.request(Method::GET, "/users/me").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}
