//! Changing and resetting passwords.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_kit::eventually;

use crate::stage::{OTHER_PASSWORD, PASSWORD, Stage, problem};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_the_other_sessions_and_not_this_one() {
    let stage = Stage::set().await;
    let here = stage.join(ADA).await;
    let there = stage.enter(ADA, PASSWORD).await;

    let body = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    let changed = stage.post_as(&here, "/auth/change-password", body).await;

    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    stage.is_shut_out(&there).await;
    assert_eq!(stage.refresh(&there.refresh).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.get_as(&here, "/users/me").await.status(), StatusCode::OK);
    assert_eq!(stage.refresh(&here.refresh).await.status(), StatusCode::OK);
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.sign_in(ADA, OTHER_PASSWORD).await.status(), StatusCode::OK);
    assert!(stage.mail_text(ADA, 2).await.contains("was changed"));
    let reasons = stage.events("session.revoked.v1").await;
    assert!(reasons.iter().all(|event| event["reason"] == "PASSWORD_CHANGED"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_password_is_asked_for() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;

    let body = json!({ "current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD });
    let refused = stage.post_as(&ada, "/auth/change-password", body).await;

    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(problem(refused).await, "wrong-password");
    let body = json!({ "current_password": PASSWORD, "new_password": "ada@example.com 2" });
    let weak = stage.post_as(&ada, "/auth/change-password", body).await;
    assert_eq!(problem(weak).await, "weak-password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_all_sessions_and_signs_nobody_in() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;
    stage.post("/auth/forgot-password", json!({ "email": ADA })).await;
    let code = stage.code(ADA, 2).await;

    let body = json!({ "email": ADA, "code": code, "new_password": OTHER_PASSWORD });
    let reset = stage.post("/auth/reset-password", body).await;

    assert_eq!(reset.status(), StatusCode::NO_CONTENT);
    assert_eq!(reset.text().await.unwrap(), "");
    stage.is_shut_out(&ada).await;
    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.sign_in(ADA, OTHER_PASSWORD).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_a_password_answers_alike_and_without_a_secret() {
    let stage = Stage::set().await;
    stage.join(ADA).await;
    let forget = async |email: &str| {
        let answer = stage.post("/auth/forgot-password", json!({ "email": email })).await;
        (answer.status(), answer.json::<Value>().await.unwrap())
    };

    let (status, known) = forget(ADA).await;

    assert_eq!((status, &known), (StatusCode::ACCEPTED, &forget("bob@example.com").await.1));
    let fields: Vec<&String> = known.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["message"]);
    let code = stage.code(ADA, 2).await;
    assert!(!known.to_string().contains(&code));
    assert!(stage.mail.messages(Some("bob@example.com")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_a_query_are_not_read() {
    let stage = Stage::set().await;
    stage.join(ADA).await;
    stage.post("/auth/forgot-password", json!({ "email": ADA })).await;
    let code = stage.code(ADA, 2).await;
    let query = [("email", ADA), ("code", &code), ("new_password", OTHER_PASSWORD)];

    let request = stage.request(Method::POST, "/auth/reset-password").query(&query);
    let refused = request.send().await.unwrap();

    assert!(refused.status().is_client_error(), "{}", refused.status());
    let query = [("email", ADA), ("password", PASSWORD)];
    let request = stage.request(Method::POST, "/auth/signin").query(&query);
    assert!(request.send().await.unwrap().status().is_client_error());
    assert_eq!(stage.sign_in(ADA, PASSWORD).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_sent_once_the_server_is_back() {
    let stage = Stage::set().await;
    let port = |url: String| url.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let (smtp, http) = (port(stage.mail.smtp_url()), port(stage.mail.http_url()));
    stage.mail.stop().await;
    stage.sign_up(ADA, PASSWORD).await;
    eventually(Duration::from_secs(20), || async {
        !stage
            .rows("(SELECT id FROM job WHERE kind = 'send_mail' AND last_error IS NOT NULL)")
            .await
            .is_empty()
    })
    .await;

    let mail = local_stack::mail_sink::MailSink::start(smtp, http).await.unwrap();

    eventually(Duration::from_secs(40), || async { mail.messages(Some(ADA)).len() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_would_come_too_late_is_not_sent() {
    let clock = Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap());
    let stage = Stage::set_at(clock.clone()).await;
    stage.mail.stop().await;
    stage.sign_up(ADA, PASSWORD).await;
    eventually(Duration::from_secs(20), || async {
        !stage
            .rows("(SELECT id FROM job WHERE kind = 'send_mail' AND last_error IS NOT NULL)")
            .await
            .is_empty()
    })
    .await;

    clock.advance(TimeDelta::minutes(11));

    eventually(Duration::from_secs(40), || async {
        stage.rows("(SELECT id FROM job WHERE kind = 'send_mail' AND state = 'failed')").await.len()
            == 1
    })
    .await;
}
