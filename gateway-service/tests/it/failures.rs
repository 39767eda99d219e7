//! Services that hang, break off, or are gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use poem::{Body, Response, endpoint::make, http::Method};
use test_kit::{TestIssuer, TestRedis, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Notify,
};

use crate::setup::{
    SOON, Stage, client, echo, gateway, nobody, peer, problem, silence, url, url_name, urls,
};
use event_runtime::Clock;
use gateway_service::routes::Upstream;
use shared_schemas::UserId;

/// A server that closes every connection with a request on it while it is told to fail.
struct Moody {
    url: String,
    requests: Arc<AtomicU32>,
    fails: Arc<AtomicBool>,
}

impl Moody {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let moody = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            fails: Arc::new(AtomicBool::new(true)),
        };
        let (requests, fails) = (Arc::clone(&moody.requests), Arc::clone(&moody.fails));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if stream.read(&mut [0; 4096]).await.unwrap_or(0) == 0 {
                    continue;
                }
                requests.fetch_add(1, Ordering::SeqCst);
                if !fails.load(Ordering::SeqCst) {
                    let answer =
                        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            }
        });
        moody
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_service_that_is_gone_is_named_at_once() {
    let mut settings = urls(&echo().await);
    settings.push((url_name(Upstream::Minting), nobody().await));
    let stage = Stage::with(&settings).await;

    let asked = Instant::now();
    let response = stage.get("/api/v1/mints").await;

    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(response.headers()["retry-after"], "1");
    let problem = problem(response, 503, "upstream-unavailable").await;
    assert!(problem["detail"].as_str().unwrap().contains("minting"), "{problem}");
    assert_eq!(stage.get("/api/v1/posts").await.status(), 200, "the others go on");
    let figures = stage.get("/metrics").await.text().await.unwrap();
    assert!(figures.contains(r#"{service="minting",kind="unreachable"} 1"#), "{figures}");
    assert!(figures.contains(r#"{operation="minting",method="GET",status="503"} 1"#), "{figures}");
}

#[tokio::test]
async fn a_service_that_never_answers_is_not_waited_for_longer_than_five_seconds() {
    let stage = Stage::before(&silence().await).await;

    let asked = Instant::now();
    let response = stage.get("/api/v1/posts").await;

    let waited = asked.elapsed();
    assert!((4.9..8.0).contains(&waited.as_secs_f64()), "{waited:?}");
    let problem = problem(response, 504, "upstream-timeout").await;
    assert!(problem["detail"].as_str().unwrap().contains("post"), "{problem}");
}

#[tokio::test]
async fn what_only_reads_is_tried_twice() {
    let moody = Moody::start().await;
    let stage = Stage::before(&moody.url).await;

    let response = stage.get("/api/v1/posts").await;

    problem(response, 503, "upstream-unavailable").await;
    assert_eq!(moody.requests(), 2);
}

#[tokio::test]
async fn what_writes_is_never_sent_twice() {
    let moody = Moody::start().await;
    let stage = Stage::before(&moody.url).await;

    let response = stage.send(Method::POST, "/api/v1/posts").await;

    problem(response, 502, "upstream-lost").await;
    assert_eq!(moody.requests(), 1);
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone_and_found_again() {
    let moody = Moody::start().await;
    let mut settings = urls(&moody.url);
    settings.push(("RATE_LIMIT_ANONYMOUS_PER_HOUR".to_owned(), "100000".to_owned()));
    let stage = Stage::with(&settings).await;
    for _ in 0..5 {
        assert_eq!(stage.send(Method::POST, "/api/v1/posts").await.status(), 502);
    }

    let asked = Instant::now();
    for _ in 0..20 {
        let response = stage.send(Method::POST, "/api/v1/posts").await;
        problem(response, 503, "upstream-unavailable").await;
    }
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(moody.requests(), 5, "nothing was sent");

    moody.fails.store(false, Ordering::SeqCst);
    eventually(SOON, || async { stage.send(Method::POST, "/api/v1/posts").await.status() == 200 })
        .await;
}

#[tokio::test]
async fn an_answer_flows_through_while_it_is_made() {
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let peer = peer(make(move |_| {
        let waits = Arc::clone(&waits);
        async move {
            let second = stream::once(async move {
                waits.notified().await;
                std::io::Result::Ok(Bytes::from_static(b"second"))
            });
            let first = stream::iter([Ok(Bytes::from_static(b"first "))]);
            poem::Result::<Response>::Ok(Response::from(Body::from_bytes_stream(
                first.chain(second),
            )))
        }
    }))
    .await;
    let stage = Stage::before(&peer).await;

    let mut response = stage.get("/api/v1/posts").await;

    assert_eq!(response.chunk().await.unwrap().unwrap(), "first ");
    go_on.notify_one();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn half_an_answer_is_not_passed_off_as_a_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
        }
    });
    let stage = Stage::before(&peer).await;

    let response = stage.get("/api/v1/posts").await;

    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_called_bad_before_the_first_key_is_known() {
    let redis = TestRedis::start().await.unwrap();
    let gateway = gateway(&redis.url(), &urls(&echo().await)).await;
    let http = client();
    // Redis is empty, so no key is known, and whether there is one nobody has said.
    eventually(SOON, || async {
        let answer = http.get(url(&gateway, "/readyz")).send().await.unwrap();
        answer.status() == 503
    })
    .await;

    let issuer = TestIssuer::unpublished().unwrap();
    let token = issuer.token(UserId::new(Clock::System.now()), &[]);
    let request = http.get(url(&gateway, "/api/v1/posts")).bearer_auth(token);

    problem(request.send().await.unwrap(), 503, "unavailable").await;
}
