//! Signing up, in and out, when nothing goes wrong.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PASSWORD, Stage, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_up_verifies_signs_in_and_out() {
    let stage = Stage::set().await;

    let signed_up = stage.sign_up("ada@example.com", PASSWORD).await;
    assert_eq!(signed_up.status(), StatusCode::ACCEPTED);
    let code = stage.code("ada@example.com", 1).await;
    assert_eq!(stage.verify("ada@example.com", &code).await.status(), StatusCode::OK);
    let ada = stage.enter("ADA@example.com", PASSWORD).await;

    let me: Value = stage.get_as(&ada, "/users/me").await.json().await.unwrap();
    assert_eq!(me["email"], "ada@example.com");
    assert_eq!(me["interests"], json!(["BOOKS", "FOOD"]));
    assert_eq!(me["status"], "ACTIVE");
    assert_eq!(me["roles"], json!(["USER"]));
    assert_eq!(me["email_verified"], true);

    let out = stage.post_as(&ada, "/auth/signout", json!({})).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    stage.is_shut_out(&ada).await;
    let refused = stage.refresh(&ada.refresh).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(problem(refused).await, "invalid-refresh-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_form_is_taken_as_swagger_ui_sends_it() {
    let stage = Stage::set().await;
    stage.join("ada@example.com").await;
    let form = [
        ("grant_type", "password"),
        ("username", "ada@example.com"),
        ("password", PASSWORD),
        ("scope", ""),
        ("client_id", "string"),
        ("client_secret", "string"),
    ];

    let request = stage.request(Method::POST, "/auth/token").basic_auth("", Some("")).form(&form);
    let answer = request.send().await.unwrap();

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let tokens: Value = answer.json().await.unwrap();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 300);
    let other = [("grant_type", "client_credentials"), ("username", "a"), ("password", "b")];
    let refused = stage.request(Method::POST, "/auth/token").form(&other).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}
