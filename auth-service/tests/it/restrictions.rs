//! What moderation decides about people is in force: they may do nothing but appeal, or not write, until it ends.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared_schemas::{UserId, standing::StandingEvent, user::AccountStatus};
use test_kit::{Publisher, eventually};

use crate::stage::{PASSWORD, Person, SOON, Stage, problem, text};

const EMAIL: &str = "ada@example.com";

async fn restrict(stage: &Stage, person: &Person, version: i64, status: AccountStatus) {
    let publisher = Publisher::connect(&stage.redis.url(), 2).await.unwrap();
    let user: UserId = person.id.parse().unwrap();
    let restricted = StandingEvent::Restricted { status, until: None };
    publisher.publish(user, version, &restricted).await.unwrap();
}

/// Signs in, whatever that is good for.
async fn sign_in(stage: &Stage, person: &Person) -> Person {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let tokens: Value = stage.post("/auth/signin", body).await.json().await.unwrap();
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    Person { access, refresh, id: person.id.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_suspended_loses_all_sessions_and_signs_in_to_appeal_or_leave() {
    let stage = Stage::set().await;
    let ada = stage.join(EMAIL).await;

    restrict(&stage, &ada, 1, AccountStatus::Suspended).await;

    stage.is_shut_out(&ada).await;
    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);

    let suspended = sign_in(&stage, &ada).await;
    let me: Value = stage.get_as(&suspended, "/users/me").await.json().await.unwrap();
    assert_eq!(me["status"], "SUSPENDED");
    let refused = stage.get_as(&suspended, "/users").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(problem(refused).await, "account-suspended");
    let claims: Value = claims_of(&suspended.access);
    assert_eq!(claims["restriction"], json!({ "status": "SUSPENDED" }));

    restrict(&stage, &ada, 2, AccountStatus::Active).await;
    // The session goes on, and is good for everything; those of before stay ended.
    let again = eventually(SOON, || async {
        let again = sign_in(&stage, &ada).await;
        let answer = stage.get_as(&again, "/users").await.status();
        if answer == StatusCode::OK { Ok(again) } else { Err(answer) }
    })
    .await;
    assert_eq!(claims_of(&again.access).get("restriction"), None);
    let tokens: Value = stage.refresh(&suspended.refresh).await.json().await.unwrap();
    assert_eq!(claims_of(&text(&tokens, "access_token")).get("restriction"), None);
    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);
    stage.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_banned_may_close_the_account() {
    let stage = Stage::set().await;
    let ada = stage.join(EMAIL).await;
    restrict(&stage, &ada, 1, AccountStatus::Banned).await;
    stage.is_shut_out(&ada).await;

    let banned = sign_in(&stage, &ada).await;
    let password = json!({ "current_password": PASSWORD, "new_password": "another good one 17" });
    let request = stage.request(Method::POST, "/auth/change-password");
    let refused = request.bearer_auth(&banned.access).json(&password).send().await.unwrap();
    assert_eq!(problem(refused).await, "account-banned");
    let request = stage.request(Method::DELETE, &format!("/users/{}", ada.id));
    let closed = request.bearer_auth(&banned.access).send().await.unwrap();

    assert_eq!(closed.status(), StatusCode::NO_CONTENT);
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(stage.post("/auth/signin", body).await.status(), StatusCode::UNAUTHORIZED);
}

/// What an access token says, whoever signed it.
fn claims_of(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_muted_reads_and_does_not_write() {
    let stage = Stage::set().await;
    let ada = stage.join(EMAIL).await;

    restrict(&stage, &ada, 1, AccountStatus::Muted).await;

    let change = || async {
        let body = json!({ "first_name": "Ada", "last_name": "King", "interests": [] });
        let request = stage.request(Method::PUT, &format!("/users/{}", ada.id));
        request.bearer_auth(&ada.access).json(&body).send().await.unwrap()
    };
    eventually(SOON, || async {
        let me: Value = stage.get_as(&ada, "/users/me").await.json().await.unwrap();
        me["status"] == "MUTED"
    })
    .await;
    eventually(SOON, || async { change().await.status() == StatusCode::FORBIDDEN }).await;
    assert_eq!(problem(change().await).await, "account-muted");
}
