//! Sending a request on to a service, and its answer back.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use metrics::{counter, gauge};
use poem::{
    Body, Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
};
use service_kit::caller::RequestContext;
use tokio_util::sync::CancellationToken;

use crate::{
    breaker::Breaker,
    headers::remove_hop_by_hop,
    origin::Origin,
    problems,
    routes::{PerUpstream, Target, Upstream},
};

/// How long a connection to a service may take to open.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a service may take until its answer begins, with everything that is tried again.
const TOTAL: Duration = Duration::from_secs(5);

/// How long a service may be silent in the middle of an answer.
const BODY_IDLE: Duration = Duration::from_secs(5);

/// The same for an answer that has no end: such a service shows every 15 s that it is alive.
const STREAM_IDLE: Duration = Duration::from_secs(45);

/// The types of answers that have no end.
const STREAMS: [&str; 2] = ["text/event-stream", "application/x-ndjson"];

/// How long an unused connection is kept. Services close theirs after 5 s: ours must go first.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// Unused connections kept for each service.
const POOL_SIZE: usize = 256;

/// A pause before a second try: 25 ms, and up to this much more.
const JITTER_MS: u64 = 50;

/// Sends requests on to services.
pub(crate) struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    peers: PerUpstream<Peer>,
    /// Cancelled when the gateway stops: answers without end are ended then.
    shutdown: CancellationToken,
}

/// One service.
struct Peer {
    /// `http://host:port`.
    base_url: String,
    breaker: Breaker,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// No connection: the request was not sent.
    #[error("the service cannot be reached")]
    Unreachable(#[source] Error),
    /// The connection ended before an answer began.
    #[error("the connection ended before an answer")]
    Lost(#[source] Error),
    /// No answer in time.
    #[error("no answer within {} seconds", TOTAL.as_secs())]
    Timeout,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The address makes no URI.
    #[error("the address is not valid")]
    Address(#[from] poem::http::Error),
    /// No answer.
    #[error("the service does not answer")]
    NoAnswer(#[from] Error),
    /// No answer in time.
    #[error("the service does not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    /// Another status than 200.
    #[error("the service answers {0}")]
    Status(poem::http::StatusCode),
    /// The body broke off or is too long.
    #[error("the document could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The body is not JSON.
    #[error("the document is not JSON")]
    Json(#[from] serde_json::Error),
}

impl Proxy {
    /// A proxy for services at these base URLs.
    pub(crate) fn new(base_urls: PerUpstream<String>, shutdown: CancellationToken) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .build(connector);
        let peers = base_urls.map(|_, base_url| Peer { base_url, breaker: Breaker::default() });
        Self { client, peers, shutdown }
    }

    /// Sends a request to its target and returns the answer, or a problem that names the service.
    pub(crate) async fn forward(&self, target: &Target, mut request: Request) -> Response {
        let upstream = target.upstream;
        let peer = self.peers.get(upstream);
        let now = Instant::now();
        let pass = match peer.breaker.enter(now) {
            Ok(pass) => pass,
            Err(tripped) => {
                count(upstream, "breaker_open");
                return problems::upstream_unavailable(upstream, tripped.retry_in);
            }
        };
        let uri = match uri(&peer.base_url, target, request.uri()) {
            Ok(uri) => uri,
            Err(error) => return service_kit::Problem::internal(&error).response(),
        };
        // The layer of limits has read the body into memory; this only takes it out.
        let body = match request.take_body().into_bytes().await {
            Ok(body) => body,
            Err(error) => {
                let detail = error.to_string();
                return service_kit::Problem::bad_request("unreadable-body", detail).response();
            }
        };
        let outgoing = Outgoing {
            method: request.method().clone(),
            uri,
            headers: outgoing_headers(&request),
            body,
        };
        let sent = tokio::time::timeout(TOTAL, self.send(&outgoing));
        match sent.await.unwrap_or(Err(Failure::Timeout)) {
            Ok(answer) => {
                pass.answered();
                gauge!("gateway_breaker_open", "service" => upstream.name()).set(0.0);
                incoming(upstream, answer, &self.shutdown)
            }
            Err(failure) => {
                let opened = pass.failed(Instant::now());
                report(upstream, &failure, opened);
                match failure {
                    Failure::Timeout => problems::upstream_timeout(upstream, TOTAL),
                    Failure::Lost(_) if !outgoing.is_safe() => problems::upstream_lost(upstream),
                    Failure::Lost(_) | Failure::Unreachable(_) => {
                        problems::upstream_unavailable(upstream, Duration::from_secs(1))
                    }
                }
            }
        }
    }

    /// Sends once; or twice what only reads, if the first try did not get an answer.
    async fn send(&self, outgoing: &Outgoing) -> Result<hyper::Response<Incoming>, Failure> {
        match self.try_once(outgoing).await {
            Err(_failure) if outgoing.is_safe() => {
                tokio::time::sleep(pause()).await;
                self.try_once(outgoing).await
            }
            result => result,
        }
    }

    async fn try_once(&self, outgoing: &Outgoing) -> Result<hyper::Response<Incoming>, Failure> {
        let mut request = hyper::Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.uri.clone();
        *request.headers_mut() = outgoing.headers.clone();
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() { Failure::Unreachable(error) } else { Failure::Lost(error) }
        })
    }

    /// Fetches a JSON document of a service, of at most `limit` bytes, within `time`.
    pub(crate) async fn fetch(
        &self,
        upstream: Upstream,
        path: &str,
        limit: usize,
        time: Duration,
    ) -> Result<serde_json::Value, FetchError> {
        let uri = format!("{}{path}", self.peers.get(upstream).base_url);
        let request = hyper::Request::get(uri).body(Full::default())?;
        let fetched = tokio::time::timeout(time, async {
            let answer = self.client.request(request).await?;
            if answer.status() != poem::http::StatusCode::OK {
                return Err(FetchError::Status(answer.status()));
            }
            let body = Limited::new(answer.into_body(), limit).collect();
            Ok(body.await.map_err(FetchError::Body)?.to_bytes())
        });
        Ok(serde_json::from_slice(&fetched.await??)?)
    }
}

/// A request as a service gets it; kept whole, because it may be sent twice.
struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    /// Whether it only reads, so that sending it twice does no harm.
    fn is_safe(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

fn uri(
    base_url: &str,
    target: &Target,
    original: &Uri,
) -> Result<Uri, poem::http::uri::InvalidUri> {
    match original.query() {
        Some(query) => format!("{base_url}{}?{query}", target.path).parse(),
        None => format!("{base_url}{}", target.path).parse(),
    }
}

/// What a client sent, without what concerns its connection, and with what only the gateway may say.
fn outgoing_headers(request: &Request) -> HeaderMap {
    let mut headers = request.headers().clone();
    remove_hop_by_hop(&mut headers);
    headers.remove(header::EXPECT);
    // Both are written anew: by the client library, for the service and the body that it sends.
    headers.remove(header::CONTENT_LENGTH);
    let host = headers.remove(header::HOST);

    let mut set = |name: &'static str, value: Result<HeaderValue, _>| {
        if let Ok(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(context) = request.data::<RequestContext>() {
        set("x-request-id", HeaderValue::try_from(context.request_id.to_string()));
    }
    if let Some(origin) = request.data::<Origin>() {
        let protocol = if origin.https { "https" } else { "http" };
        set("x-forwarded-for", HeaderValue::try_from(origin.address.to_string()));
        set("x-forwarded-proto", Ok(HeaderValue::from_static(protocol)));
    }
    if let Some(host) = host {
        set("x-forwarded-host", Ok(host));
    }
    headers
}

/// A service's answer as the client gets it: its body flows through, and is never held as a whole.
fn incoming(
    upstream: Upstream,
    answer: hyper::Response<Incoming>,
    shutdown: &CancellationToken,
) -> Response {
    let (mut parts, body) = answer.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    let body = if is_stream(&parts.headers) {
        stream_of(upstream, body, STREAM_IDLE, shutdown.clone())
    } else {
        // What has an end is sent to its end.
        stream_of(upstream, body, BODY_IDLE, CancellationToken::new())
    };
    let mut response = Response::builder().status(parts.status).body(body);
    *response.headers_mut() = parts.headers;
    response
}

/// Whether an answer has no end.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| STREAMS.contains(&kind))
}

/// A body, piece by piece as it comes. It may be silent for `idle`, and ends with `shutdown`.
fn stream_of(
    upstream: Upstream,
    body: Incoming,
    idle: Duration,
    shutdown: CancellationToken,
) -> Body {
    let state = (body, shutdown);
    Body::from_bytes_stream(stream::try_unfold(state, move |(mut body, shutdown)| async move {
        loop {
            let frame = tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                frame = tokio::time::timeout(idle, body.frame()) => frame,
            };
            let frame = frame.map_err(|elapsed| {
                count(upstream, "body_timeout");
                io::Error::new(io::ErrorKind::TimedOut, elapsed)
            })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers are of no use to any client of ours.
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some((data, (body, shutdown))));
                    }
                }
                Some(Err(error)) => {
                    count(upstream, "body_lost");
                    return Err(io::Error::other(error));
                }
            }
        }
    }))
}

fn pause() -> Duration {
    let mut random = [0; 1];
    // Without randomness the pause is merely the same for all.
    let jitter = aws_lc_rs::rand::fill(&mut random)
        .map_or(0, |()| random.into_iter().map(u64::from).sum::<u64>() % JITTER_MS);
    Duration::from_millis(25 + jitter)
}

fn report(upstream: Upstream, failure: &Failure, opened: bool) {
    let kind = match failure {
        Failure::Unreachable(_) => "unreachable",
        Failure::Lost(_) => "lost",
        Failure::Timeout => "timeout",
    };
    count(upstream, kind);
    let error: &dyn std::error::Error = failure;
    if opened {
        gauge!("gateway_breaker_open", "service" => upstream.name()).set(1.0);
        tracing::warn!(service = upstream.name(), error, "service left alone for a while");
    } else {
        tracing::debug!(service = upstream.name(), error, "no answer");
    }
}

fn count(upstream: Upstream, kind: &'static str) {
    counter!("gateway_upstream_failures_total", "service" => upstream.name(), "kind" => kind)
        .increment(1);
}
