//! Guessing passwords is slow, and nobody is locked out for good.

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::{OTHER_PASSWORD, PASSWORD, Stage, problem};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_failures_an_address_waits_whoever_it_belongs_to() {
    let clock = Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap());
    let stage = Stage::set_at(clock.clone()).await;
    stage.join(ADA).await;
    for email in [ADA, "nobody@example.com"] {
        for _ in 0..10 {
            let refused = stage.sign_in(email, "not the password").await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        }

        let waits = stage.sign_in(email, PASSWORD).await;

        assert_eq!(waits.status(), StatusCode::TOO_MANY_REQUESTS, "{email}");
        let seconds: i64 = waits.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=600).contains(&seconds), "{seconds}");
        assert_eq!(problem(waits).await, "too-many-failures");
    }

    clock.advance(TimeDelta::minutes(10));

    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_that_come_at_once_are_counted_alike() {
    let stage = Stage::set().await;
    stage.join(ADA).await;

    let answers = join_all((0..30).map(|_| stage.sign_in(ADA, "not the password"))).await;

    let compared = answers.iter().filter(|answer| answer.status() == StatusCode::UNAUTHORIZED);
    assert!(compared.count() <= 11, "two at a time are compared, so one may slip through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_forgets_the_failures_and_a_reset_ends_the_wait() {
    let stage = Stage::set().await;
    stage.join(ADA).await;
    for _ in 0..2 {
        for _ in 0..9 {
            stage.sign_in(ADA, "not the password").await;
        }
        assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::OK);
    }
    for _ in 0..10 {
        stage.sign_in(ADA, "not the password").await;
    }
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::TOO_MANY_REQUESTS);

    stage.post("/auth/forgot-password", json!({ "email": ADA })).await;
    let code = stage.code(ADA, 2).await;
    let body = json!({ "email": ADA, "code": code, "new_password": OTHER_PASSWORD });
    assert_eq!(stage.post("/auth/reset-password", body).await.status(), StatusCode::NO_CONTENT);

    assert_eq!(stage.sign_in(ADA, OTHER_PASSWORD).await.status(), StatusCode::OK);
}
