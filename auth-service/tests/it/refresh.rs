//! Refresh tokens: good once, and a session that two parties hold ends.

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::Value;

use crate::stage::{Stage, problem, text};

const ADA: &str = "ada@example.com";

fn clock() -> Clock {
    Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap())
}

async fn next(stage: &Stage, token: &str) -> String {
    let answer = stage.refresh(token).await;
    assert_eq!(answer.status(), StatusCode::OK);
    text(&answer.json::<Value>().await.unwrap(), "refresh_token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_with_the_newest_token() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;

    let second = next(&stage, &ada.refresh).await;
    let third = next(&stage, &second).await;

    assert_ne!(ada.refresh, second);
    assert_ne!(second, third);
    let issued = stage.events("refresh_token.issued.v1").await;
    let generations: Vec<&Value> = issued.iter().map(|event| &event["generation"]).collect();
    assert_eq!(generations, [1, 2, 3]);
    for token in [&ada.refresh, &second, &third] {
        assert!(!stage.rows("event").await.join("\n").contains(token.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_uses_at_once_make_one_generation() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;

    let answers = join_all((0..8).map(|_| next(&stage, &ada.refresh))).await;

    assert!(answers.iter().all(|token| *token == answers[0]), "one successor for all");
    assert_eq!(stage.events("refresh_token.issued.v1").await.len(), 2);
    assert_eq!(stage.events("session.revoked.v1").await.len(), 0);
    next(&stage, &answers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_used_again_after_ten_seconds_ends_the_session() {
    let clock = clock();
    let stage = Stage::set_at(clock.clone()).await;
    let ada = stage.join(ADA).await;
    let newest = next(&stage, &ada.refresh).await;

    clock.advance(TimeDelta::seconds(10));
    let reused = stage.refresh(&ada.refresh).await;

    assert_eq!(reused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(problem(reused).await, "invalid-refresh-token");
    assert_eq!(stage.refresh(&newest).await.status(), StatusCode::UNAUTHORIZED, "the newest too");
    stage.is_shut_out(&ada).await;
    assert_eq!(stage.events("session.revoked.v1").await[0]["reason"], "TOKEN_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandparent_used_within_ten_seconds_ends_the_session() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;
    let second = next(&stage, &ada.refresh).await;
    let third = next(&stage, &second).await;

    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);

    assert_eq!(stage.refresh(&third).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_seven_days_and_its_session_for_thirty() {
    let clock = clock();
    let stage = Stage::set_at(clock.clone()).await;
    let mut token = stage.join(ADA).await.refresh;
    for _ in 0..4 {
        clock.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
        token = next(&stage, &token).await;
    }

    clock.advance(TimeDelta::days(3));

    assert_eq!(stage.refresh(&token).await.status(), StatusCode::UNAUTHORIZED, "31 days");
    let idle = stage.enter(ADA, crate::stage::PASSWORD).await;
    clock.advance(TimeDelta::days(7));
    assert_eq!(stage.refresh(&idle.refresh).await.status(), StatusCode::UNAUTHORIZED, "7 days");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_never_given_out_is_refused() {
    let stage = Stage::set().await;
    stage.join(ADA).await;

    for made_up in ["x", &"A".repeat(43), "not base64 at all"] {
        assert_eq!(stage.refresh(made_up).await.status(), StatusCode::UNAUTHORIZED, "{made_up}");
    }
}
