//! Codes by mail: ten minutes, five tries, one use, the newest alone.

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::{OTHER_PASSWORD, PASSWORD, SOON, Stage, problem};

const ADA: &str = "ada@example.com";

fn clock() -> Clock {
    Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap())
}

/// A code that is not this one.
fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:08}", (number + 1) % 100_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_ten_minutes() {
    let clock = clock();
    let stage = Stage::set_at(clock.clone()).await;
    stage.sign_up(ADA, PASSWORD).await;
    let code = stage.code(ADA, 1).await;

    clock.advance(TimeDelta::minutes(10));

    let late = stage.verify(ADA, &code).await;
    assert_eq!(late.status(), StatusCode::BAD_REQUEST);
    assert_eq!(problem(late).await, "invalid-code");
    clock.advance(TimeDelta::seconds(-1));
    assert_eq!(stage.verify(ADA, &code).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_tries_void_a_code_even_when_they_come_at_once() {
    let stage = Stage::set().await;
    stage.sign_up(ADA, PASSWORD).await;
    let code = stage.code(ADA, 1).await;
    let wrong = wrong(&code);

    let tries = join_all((0..20).map(|_| stage.verify(ADA, &wrong))).await;

    assert!(tries.iter().all(|answer| answer.status() == StatusCode::BAD_REQUEST));
    assert_eq!(stage.events("credential.code_tried.v1").await.len(), 5);
    assert_eq!(stage.verify(ADA, &code).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_wrong_tries_leave_one() {
    let stage = Stage::set().await;
    stage.sign_up(ADA, PASSWORD).await;
    let code = stage.code(ADA, 1).await;
    for _ in 0..4 {
        stage.verify(ADA, &wrong(&code)).await;
    }

    assert_eq!(stage.verify(ADA, &code).await.status(), StatusCode::OK);
    assert_eq!(stage.verify(ADA, &code).await.status(), StatusCode::BAD_REQUEST, "used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_code_voids_the_older_and_is_not_sent_within_a_minute() {
    let clock = clock();
    let stage = Stage::set_at(clock.clone()).await;
    stage.join(ADA).await;
    let forget = || stage.post("/auth/forgot-password", json!({ "email": ADA }));
    let reset = async |code: String| {
        let body = json!({ "email": ADA, "code": code, "new_password": OTHER_PASSWORD });
        stage.post("/auth/reset-password", body).await.status()
    };
    forget().await;
    let first = stage.code(ADA, 2).await;

    assert_eq!(forget().await.status(), StatusCode::ACCEPTED);
    clock.advance(TimeDelta::seconds(60));
    forget().await;
    let second = stage.code(ADA, 3).await;

    assert_ne!(first, second);
    assert_eq!(stage.mail.messages(Some(ADA)).len(), 3, "one in the pause was not sent");
    assert_eq!(reset(first).await, StatusCode::BAD_REQUEST);
    assert_eq!(reset(second).await, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_stored_in_no_form_that_can_be_guessed() {
    let stage = Stage::set().await;
    stage.sign_up(ADA, PASSWORD).await;
    let code = stage.code(ADA, 1).await;

    test_kit::eventually(SOON, || async {
        stage.rows("(SELECT id FROM job WHERE state <> 'done')").await.is_empty()
    })
    .await;
    for table in ["event", "job", "credential", "account"] {
        let rows = stage.rows(table).await.join("\n");
        assert!(!rows.contains(&code), "{table}");
    }
}
