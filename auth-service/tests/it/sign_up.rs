//! Signing up: nobody learns who has an account, and nobody gets one under somebody else's password.

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use test_kit::eventually;

use crate::stage::{OTHER_PASSWORD, PASSWORD, SOON, Stage, problem};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_gets_the_same_answer_and_its_owner_a_mail() {
    let stage = Stage::set().await;
    stage.join(ADA).await;

    let known = stage.sign_up(ADA, OTHER_PASSWORD).await;
    let unknown = stage.sign_up("bob@example.com", OTHER_PASSWORD).await;

    assert_eq!(known.status(), unknown.status());
    let (known, unknown): (Value, Value) =
        (known.json().await.unwrap(), unknown.json().await.unwrap());
    assert_eq!(known, unknown);
    assert!(stage.mail_text(ADA, 2).await.contains("already have an account"));
    assert_eq!(stage.sign_in(ADA, OTHER_PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn spellings_of_one_address_that_arrive_at_once_are_one_account() {
    let stage = Stage::set().await;
    let spellings = [ADA, "Ada@example.com", "ADA@EXAMPLE.COM", " ada@example.com "];

    let answers = join_all(spellings.map(|email| stage.sign_up(email, PASSWORD))).await;

    assert!(answers.iter().all(|answer| answer.status() == StatusCode::ACCEPTED));
    eventually(SOON, || async {
        let open = stage.rows("(SELECT id FROM job WHERE state <> 'done')").await;
        open.is_empty()
    })
    .await;
    assert_eq!(stage.rows("account").await.len(), 1);
    assert_eq!(stage.events("user.registered.v1").await.len(), 1);
    assert_eq!(stage.rows("personal_key").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_up_again_before_verification_replaces_the_password_with_the_code() {
    let clock = Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap());
    let stage = Stage::set_at(clock.clone()).await;
    stage.sign_up(ADA, PASSWORD).await;
    let first = stage.code(ADA, 1).await;

    clock.advance(TimeDelta::seconds(60));
    stage.sign_up(ADA, OTHER_PASSWORD).await;
    let second = stage.code(ADA, 2).await;

    assert_eq!(stage.verify(ADA, &first).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(stage.verify(ADA, &second).await.status(), StatusCode::OK);
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.sign_in(ADA, OTHER_PASSWORD).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_that_meets_the_verification_does_not_replace_the_password() {
    let clock = Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap());
    let stage = Stage::set_at(clock.clone()).await;
    stage.sign_up(ADA, PASSWORD).await;
    let code = stage.code(ADA, 1).await;
    clock.advance(TimeDelta::seconds(60));
    let account = stage.hold_up("user").await;

    let race = async {
        stage.are_waiting(1).await;
        stage.sign_up(ADA, OTHER_PASSWORD).await;
        stage.are_waiting(2).await;
        account.commit().await.unwrap();
    };
    let (verified, ()) = tokio::join!(stage.verify(ADA, &code), race);

    assert_eq!(verified.status(), StatusCode::OK);
    assert!(stage.mail_text(ADA, 2).await.contains("already have an account"));
    assert_eq!(stage.sign_in(ADA, OTHER_PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_in_before_the_address_is_verified() {
    let stage = Stage::set().await;
    stage.sign_up(ADA, PASSWORD).await;
    stage.code(ADA, 1).await;

    let refused = stage.sign_in(ADA, PASSWORD).await;

    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(problem(refused).await, "invalid-credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_acceptable_is_refused_whoever_has_the_address() {
    let stage = Stage::set().await;
    stage.join(ADA).await;
    for email in [ADA, "bob@example.com"] {
        let weak = stage.sign_up(email, "password1234").await;
        assert_eq!(weak.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem(weak).await, "weak-password");
    }
    let nowhere = stage.sign_up("ada@demo.peerlink.invalid", PASSWORD).await;
    assert_eq!(problem(nowhere).await, "invalid-email");
    let body = json!({
        "email": "eve@example.com", "password": PASSWORD, "first_name": "Eve\nBcc: x", "last_name": "E", "interests": [],
    });
    assert_eq!(problem(stage.post("/auth/signup", body).await).await, "invalid-name");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_status_cannot_be_chosen() {
    let stage = Stage::set().await;
    for (field, value) in [("roles", json!(["ADMIN"])), ("status", json!("ACTIVE"))] {
        let mut body = json!({
            "email": ADA, "password": PASSWORD, "first_name": "Ada", "last_name": "L", "interests": [],
        });
        body.as_object_mut().unwrap().insert(field.to_owned(), value);

        let refused = stage.post("/auth/signup", body).await;

        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_may_use_addresses_that_do_not_exist() {
    let stage = Stage::set_with(Clock::System, &[("DEMO_ACCOUNTS", "true")]).await;

    let ada = stage.join("ada@demo.peerlink.invalid").await;

    assert_eq!(stage.get_as(&ada, "/users/me").await.status(), StatusCode::OK);
}
