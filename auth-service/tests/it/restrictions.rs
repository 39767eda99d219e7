//! What moderation decides about people is in force: they cannot sign in, or not write, until it ends.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared_schemas::{UserId, standing::StandingEvent, user::AccountStatus};
use test_kit::{Publisher, eventually};

use crate::stage::{PASSWORD, Person, SOON, Stage, problem};

async fn restrict(stage: &Stage, person: &Person, version: i64, status: AccountStatus) {
    let publisher = Publisher::connect(&stage.redis.url(), 2).await.unwrap();
    let user: UserId = person.id.parse().unwrap();
    let restricted = StandingEvent::Restricted { status, until: None };
    publisher.publish(user, version, &restricted).await.unwrap();
}

async fn signs_in(stage: &Stage, email: &str) -> StatusCode {
    let body = json!({ "email": email, "password": PASSWORD });
    stage.post("/auth/signin", body).await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_suspended_loses_all_sessions_and_signs_in_again_afterwards() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;

    restrict(&stage, &ada, 1, AccountStatus::Suspended).await;

    stage.is_shut_out(&ada).await;
    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(signs_in(&stage, "ada@example.com").await, StatusCode::UNAUTHORIZED);

    restrict(&stage, &ada, 2, AccountStatus::Active).await;
    eventually(SOON, || async { signs_in(&stage, "ada@example.com").await == StatusCode::OK })
        .await;
    // The sessions of before stay ended.
    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);
    stage.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_muted_reads_and_does_not_write() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;

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
