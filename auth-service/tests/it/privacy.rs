//! Where an address, a password, a code or a token must never turn up.

use std::{
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
};

use reqwest::{Method, StatusCode};
use serde_json::json;
use test_kit::eventually;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::stage::{OTHER_PASSWORD, PASSWORD, SOON, Stage};

const ADA: &str = "ada.canary@example.com";

/// Log lines, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_tell_no_address_password_code_or_token() {
    let lines = Lines::default();
    let filter = "auth_service=trace,service_kit=trace,event_runtime=trace,info";
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(lines.clone())
        .init();
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;
    stage.sign_up(ADA, OTHER_PASSWORD).await;
    stage.sign_in(ADA, "a wrong password").await;
    stage.post("/auth/forgot-password", json!({ "email": ADA })).await;
    let code = stage.code(ADA, 3).await;
    stage.verify(ADA, "00000000").await;
    stage.mail.stop().await;
    let body = json!({ "email": ADA, "code": code, "new_password": OTHER_PASSWORD });
    assert_eq!(stage.post("/auth/reset-password", body).await.status(), StatusCode::NO_CONTENT);
    let said = || String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    eventually(SOON, || async { said().contains("job will be tried again") }).await;

    let said = said();

    assert!(said.contains("served"), "requests were logged");
    let secrets =
        ["canary", PASSWORD, OTHER_PASSWORD, "a wrong password", &code, &ada.access, &ada.refresh];
    for secret in secrets {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_events_and_finished_jobs_tell_no_address_and_no_name() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;
    stage.sign_up(ADA, OTHER_PASSWORD).await;
    stage.mail_text(ADA, 2).await;
    eventually(SOON, || async {
        stage.rows("(SELECT id FROM job WHERE state <> 'done')").await.is_empty()
    })
    .await;

    for table in ["event", "job", "idempotency_key", "sign_in_failure", "personal_key"] {
        let rows = stage.rows(table).await.join("\n");
        for canary in ["canary", "Lovelace", PASSWORD, "argon2"] {
            assert!(!rows.contains(canary), "{table}: {canary}");
        }
    }
    let mut published = String::new();
    for partition in 0..2 {
        let key = format!("ev:{{auth.p{partition}}}:e1");
        let entries: fred::types::Value =
            stage.redis.command(&["XRANGE", &key, "-", "+"]).await.unwrap();
        write!(published, "{entries:?}").unwrap();
    }
    assert!(published.contains("user.registered.v1"), "{published}");
    assert!(published.contains(&ada.id));
    for canary in ["canary", "Lovelace", "credential.", "refresh_token.", "argon2"] {
        assert!(!published.contains(canary), "{canary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_offers_the_password_form_and_the_page_is_there() {
    let stage = Stage::set().await;

    let page = stage.client.get(stage.root("/docs")).send().await.unwrap();
    let document = stage.client.get(stage.root("/openapi.json")).send().await.unwrap();

    assert_eq!(page.status(), StatusCode::OK);
    let document: serde_json::Value = document.json().await.unwrap();
    let flows = &document["components"]["securitySchemes"]["sign_in"]["flows"];
    assert_eq!(flows["password"]["tokenUrl"], "/api/v1/auth/token");
    let operations: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(operations, 21);
    let unknown = stage.request(Method::PATCH, "/users").send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::METHOD_NOT_ALLOWED);
}
