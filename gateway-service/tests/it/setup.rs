//! Gateways and the peers behind them.

use std::time::Duration;

use event_runtime::Clock;
use gateway_service::{Running, routes::Upstream, start};
use poem::{
    Endpoint, IntoResponse, Request, Response,
    endpoint::make,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use service_kit::Env;
use shared_schemas::UserId;
use test_kit::{TestIssuer, TestRedis, eventually};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A gateway, its Redis, and a key whose tokens it believes.
pub(crate) struct Stage {
    pub(crate) redis: TestRedis,
    pub(crate) issuer: TestIssuer,
    pub(crate) gateway: Running,
    pub(crate) http: reqwest::Client,
}

impl Stage {
    /// A gateway in front of the same peer for all services.
    pub(crate) async fn before(peer: &str) -> Self {
        Self::with(&urls(peer)).await
    }

    /// A gateway with these settings on top of the usual.
    pub(crate) async fn with(settings: &[(String, String)]) -> Self {
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::publish(&redis.url(), 1).await.unwrap();
        let gateway = gateway(&redis.url(), settings).await;
        let stage = Self { redis, issuer, gateway, http: client() };
        stage.ready().await;
        stage
    }

    async fn ready(&self) {
        eventually(SOON, || async {
            self.http.get(self.url("/readyz")).send().await.unwrap().status() == 200
        })
        .await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        url(&self.gateway, path)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> reqwest::Response {
        self.http.request(method, self.url(path)).send().await.unwrap()
    }

    /// A token of somebody whom nobody else is.
    pub(crate) fn token(&self) -> String {
        self.issuer.token(UserId::new(Clock::System.now()), &[])
    }
}

pub(crate) fn url(gateway: &Running, path: &str) -> String {
    format!("http://{}{path}", gateway.addr)
}

/// A gateway on a free port.
pub(crate) async fn gateway(redis_url: &str, settings: &[(String, String)]) -> Running {
    let usual = [
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("REDIS_URL", redis_url),
        ("EVENT_PARTITIONS", "1"),
        ("LOG_FILTER", "warn"),
    ];
    let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = Env::from_pairs(usual.into_iter().chain(settings.iter().cloned()));
    start(env, Clock::System).await.unwrap()
}

/// The settings that name one peer as every service.
pub(crate) fn urls(peer: &str) -> Vec<(String, String)> {
    Upstream::ALL.map(|one| (url_name(one), peer.to_owned())).into()
}

/// The setting that names a service's address.
pub(crate) fn url_name(upstream: Upstream) -> String {
    format!("{}_URL", upstream.name().to_uppercase())
}

/// A client that follows nothing and keeps no proxy settings.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(SOON)
        .build()
        .unwrap()
}

/// An HTTP server that answers by `endpoint`; its base URL.
pub(crate) async fn peer(endpoint: impl Endpoint<Output = Response> + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tokio::spawn(service_kit::http::serve::serve(listener, endpoint, tasks, stop));
    url
}

/// An HTTP server that answers with what it was asked, as JSON.
pub(crate) async fn echo() -> String {
    peer(make(|request| async { poem::Result::<Response>::Ok(describe(request).await) })).await
}

async fn describe(mut request: Request) -> Response {
    let body = request.take_body().into_string().await.unwrap();
    let headers: serde_json::Map<String, Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    let seen = json!({
        "method": request.method().as_str(),
        "target": request.uri().path_and_query().unwrap().as_str(),
        "headers": headers,
        "body": body,
    });
    seen.to_string()
        .with_content_type("application/json")
        .with_header("server", "peer/1.0")
        .with_header("connection", "x-hop")
        .with_header("x-hop", "1")
        .with_header("etag", "\"1\"")
        .with_status(StatusCode::OK)
        .into_response()
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A server that takes connections and never says anything.
pub(crate) async fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    url
}

/// The body of a problem, after a look at its status and type.
pub(crate) async fn problem(response: reqwest::Response, status: u16, kind: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    let expected = Value::from(format!("/problems/{kind}"));
    assert_eq!(problem.get("type"), Some(&expected), "{problem}");
    problem
}
