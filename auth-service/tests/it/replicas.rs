//! More than one process: one key, and revocations that everybody hears of.

use std::{sync::Arc, time::Duration};

use event_runtime::{Broadcast, Clock};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use service_kit::{Trust, trust::TokenError};
use shared_schemas::Service;
use test_kit::{TestDatabase, TestRedis, eventually};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::stage::{PASSWORD, SOON, Stage, start};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_make_one_key() {
    let (database, redis) =
        (TestDatabase::create().await.unwrap(), TestRedis::start().await.unwrap());
    let url = redis.url();
    let smtp = "smtp://127.0.0.1:9";

    let replicas = join_all((0..4).map(|_| start(&database, &url, smtp, Clock::System, &[]))).await;

    let mut sets = Vec::new();
    for replica in &replicas {
        let url = format!("http://{}/.well-known/jwks.json", replica.addr);
        let answer = reqwest::get(&url).await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
        sets.push(answer.json::<Value>().await.unwrap());
    }
    assert_eq!(sets[0]["keys"].as_array().unwrap().len(), 1);
    assert!(sets.iter().all(|set| *set == sets[0]));
    assert_eq!(sets[0]["keys"][0]["kty"], "OKP");
    assert_eq!(sets[0]["keys"][0]["crv"], "Ed25519");
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_is_heard_by_the_other_replica_within_a_second() {
    let stage = Stage::set().await;
    let url = stage.redis.url();
    let other = start(&stage.database, &url, &stage.mail.smtp_url(), Clock::System, &[]).await;
    let ada = stage.join(ADA).await;
    let there = format!("http://{}/api/v1/auth/verify-token", other.addr);
    let ask = || async { stage.client.get(&there).bearer_auth(&ada.access).send().await.unwrap() };
    eventually(SOON, || async { ask().await.status() == StatusCode::OK }).await;

    stage.post_as(&ada, "/auth/signout", json!({})).await;

    eventually(Duration::from_secs(1), || async {
        ask().await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_believed_and_a_revocation_known_while_auth_is_stopped() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;
    let gone = stage.enter(ADA, PASSWORD).await;
    stage.post_as(&gone, "/auth/signout", json!({})).await;
    stage.is_shut_out(&gone).await;
    let Stage { service, redis, .. } = stage;
    service.stop().await;

    // What every other service does.
    let trust = Trust::new("http://127.0.0.1:8080", "peerlink", Clock::System);
    let observer = trust.clone();
    let observe = Arc::new(move |event: &_| observer.observe(event));
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let broadcast = Broadcast::new(redis.url(), Service::Auth, observe);
    tasks.spawn(broadcast.run(shutdown.clone()).unwrap());

    eventually(SOON, || async { trust.verify(&ada.access).map(drop) }).await;
    eventually(SOON, || async { matches!(trust.verify(&gone.access), Err(TokenError::Revoked)) })
        .await;
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
}
