//! Who may send how much.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use event_runtime::Clock;
use gateway_service::rate_limit::{Policies, Policy, RateLimiter, Subject};
use serde_json::Value;
use shared_schemas::UserId;
use test_kit::{TestRedis, eventually};
use tokio::task::JoinSet;

use crate::setup::{SOON, Stage, client, echo, gateway, url, urls};

fn quota(anonymous: u32, user: u32) -> [(String, String); 2] {
    [
        ("RATE_LIMIT_ANONYMOUS_PER_HOUR".to_owned(), anonymous.to_string()),
        ("RATE_LIMIT_USER_PER_HOUR".to_owned(), user.to_string()),
    ]
}

async fn stage(anonymous: u32, user: u32) -> Stage {
    let mut settings = urls(&echo().await);
    settings.extend(quota(anonymous, user));
    Stage::with(&settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_let_exactly_the_quota_through() {
    const REQUESTS: u32 = 5_000;
    let settings = urls(&echo().await);
    let stage = Stage::with(&settings).await;
    let second = gateway(&stage.redis.url(), &settings).await;
    let third = gateway(&stage.redis.url(), &settings).await;
    let gateways =
        [&stage.gateway, &second, &third].map(|gateway| url(gateway, "/api/v1/users/me"));
    let token: Arc<str> = stage.token().into();
    for target in &gateways {
        let ready = target.replace("/api/v1/users/me", "/readyz");
        eventually(SOON, || async { client().get(&ready).send().await.unwrap().status() == 200 })
            .await;
    }

    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..24 {
        let (next, token, gateways) = (Arc::clone(&next), Arc::clone(&token), gateways.clone());
        let http = stage.http.clone();
        senders.spawn(async move {
            let (mut admitted, mut refused) = (0, 0);
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= REQUESTS {
                    return (admitted, refused);
                }
                let target = &gateways[number as usize % gateways.len()];
                let response = http.get(target).bearer_auth(&token).send().await.unwrap();
                match response.status().as_u16() {
                    200 => admitted += 1,
                    429 => refused += 1,
                    status => panic!("{status}: {}", response.text().await.unwrap()),
                }
            }
        });
    }
    let counts = senders.join_all().await;

    let admitted: u32 = counts.iter().map(|(admitted, _)| admitted).sum();
    let refused: u32 = counts.iter().map(|(_, refused)| refused).sum();
    assert_eq!((admitted, refused), (1_000, 4_000));
}

#[tokio::test]
async fn the_window_moves_and_never_holds_more_than_the_quota() {
    const QUOTA: u32 = 5;
    const WINDOW: Duration = Duration::from_millis(500);
    let redis = TestRedis::start().await.unwrap();
    let policy = Policy { name: "test", quota: QUOTA, window: WINDOW };
    let policies = Policies { anonymous: policy, user: policy };
    let limiter = RateLimiter::connect(&redis.url(), policies).unwrap();
    let subject = Subject::address([192, 0, 2, 1].into());
    eventually(SOON, || async {
        // The connection opens in the background; until then nothing is counted in Redis.
        limiter.take(subject, uuid::Uuid::now_v7()).await;
        redis.command::<i64>(&["DBSIZE"]).await.unwrap() > 0
    })
    .await;
    redis.flushall().await.unwrap();

    let mut admitted = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < WINDOW * 4 {
        let asked = Instant::now();
        let decision = limiter.take(subject, uuid::Uuid::now_v7()).await;
        if decision.admitted {
            admitted.push((asked, Instant::now()));
        } else {
            assert!(decision.reset <= WINDOW, "{decision:?}");
        }
    }

    let more = QUOTA as usize;
    assert!(admitted.len() >= 3 * more, "only {} in four windows", admitted.len());
    for six in admitted.windows(more + 1) {
        // What was counted between these two moments was counted in Redis, by its clock.
        let span = six[more].1 - six[0].0;
        assert!(span >= WINDOW, "{} requests within {span:?}", QUOTA + 1);
    }
}

#[tokio::test]
async fn every_answer_says_what_is_left() {
    let stage = stage(100, 1_000).await;

    let anonymous = stage.get("/api/v1/posts").await;
    let request = stage.http.get(stage.url("/api/v1/posts")).bearer_auth(stage.token());
    let user = request.send().await.unwrap();

    assert_eq!(anonymous.headers()["ratelimit-policy"], "\"anonymous\";q=100;w=3600");
    assert_eq!(anonymous.headers()["ratelimit"], "\"anonymous\";r=99;t=3600");
    assert_eq!(user.headers()["ratelimit-policy"], "\"user\";q=1000;w=3600");
    assert_eq!(user.headers()["ratelimit"], "\"user\";r=999;t=3600");
}

#[tokio::test]
async fn a_refusal_says_why_and_until_when() {
    let stage = stage(1, 1).await;
    stage.get("/api/v1/posts").await;

    let refused = stage.get("/api/v1/posts").await;

    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&wait), "{wait}");
    assert_eq!(refused.headers()["ratelimit"], format!("\"anonymous\";r=0;t={wait}"));
    assert!(refused.headers().contains_key("x-request-id"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], serde_json::json!(["anonymous"]));
}

#[tokio::test]
async fn users_and_addresses_are_counted_apart() {
    let stage = stage(1, 2).await;
    let (one, other) = (stage.token(), stage.token());
    let status = async |token: Option<&str>| {
        let request = stage.http.get(stage.url("/api/v1/posts"));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };

    assert_eq!(status(Some(&one)).await, 200);
    assert_eq!(status(Some(&one)).await, 200);
    assert_eq!(status(Some(&one)).await, 429);
    assert_eq!(status(Some(&other)).await, 200);
    assert_eq!(status(None).await, 200);
    assert_eq!(status(None).await, 429);
    assert_eq!(status(Some("worthless")).await, 429, "guessing tokens costs as much as anything");
}

#[tokio::test]
async fn two_tokens_of_one_user_share_one_quota() {
    let stage = stage(1, 1).await;
    let user = UserId::new(Clock::System.now());
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let token = stage.issuer.token(user, &[]);
        let request = stage.http.get(stage.url("/api/v1/posts")).bearer_auth(token);
        statuses.push(request.send().await.unwrap().status().as_u16());
    }

    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn an_invented_address_has_no_quota_of_its_own() {
    let stage = stage(2, 1).await;
    let mut statuses = Vec::new();
    for invented in ["1.1.1.1", "2.2.2.2", "3.3.3.3"] {
        let request = stage.http.get(stage.url("/api/v1/posts"));
        let request = request.header("x-forwarded-for", invented).header("x-real-ip", invented);
        statuses.push(request.send().await.unwrap().status().as_u16());
    }

    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn behind_a_proxy_of_ours_its_word_counts() {
    let mut settings = urls(&echo().await);
    settings.extend(quota(1, 1));
    settings.push(("TRUSTED_PROXY_HOPS".to_owned(), "1".to_owned()));
    let stage = Stage::with(&settings).await;
    let mut statuses = Vec::new();
    for forwarded in ["1.1.1.1", "2.2.2.2", "9.9.9.9, 2.2.2.2"] {
        let request = stage.http.get(stage.url("/api/v1/posts"));
        let request = request.header("x-forwarded-for", forwarded);
        statuses.push(request.send().await.unwrap().status().as_u16());
    }

    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn probes_and_documents_are_not_counted() {
    let stage = stage(1, 1).await;
    for path in ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.headers().contains_key("ratelimit"), "{path}");
    }

    assert_eq!(stage.get("/api/v1/posts").await.headers()["ratelimit"], "\"anonymous\";r=0;t=3600");
}

#[tokio::test]
async fn what_is_kept_shows_no_address_and_goes_by_itself() {
    let stage = stage(10, 10).await;
    stage.get("/api/v1/posts").await;

    let keys: Vec<String> = stage.redis.command(&["KEYS", "rl:*"]).await.unwrap();

    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert!(key.starts_with("rl:addr:") && !key.contains("127"), "{key}");
    let left: i64 = stage.redis.command(&["PTTL", key]).await.unwrap();
    assert!((1..=3_600_000).contains(&left), "{left}");
}

#[tokio::test]
async fn without_redis_the_limits_hold_in_each_process() {
    let mut stage = stage(3, 3).await;
    stage.get("/api/v1/posts").await;
    stage.redis.kill().await.unwrap();

    let mut statuses = Vec::new();
    for _ in 0..5 {
        let asked = Instant::now();
        statuses.push(stage.get("/api/v1/posts").await.status().as_u16());
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert!(figure(&stage).await.contains("\nratelimit_degraded 1"));

    stage.redis.restart().await.unwrap();
    eventually(SOON, || async {
        stage.get("/api/v1/posts").await;
        figure(&stage).await.contains("\nratelimit_degraded 0")
    })
    .await;
}

async fn figure(stage: &Stage) -> String {
    stage.get("/metrics").await.text().await.unwrap()
}
