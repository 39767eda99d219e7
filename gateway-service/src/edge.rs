//! Everything between a connection and a service, from the outside: names and headers, a figure for each request, panics
//! caught, who asks and how often, limits of size and time, the route.

use std::sync::Arc;

use event_runtime::broadcast::CaughtUp;
use poem::{
    Endpoint, EndpointExt, Request, Response, Route,
    endpoint::{BoxEndpoint, make},
    http::{Method, header},
    middleware::CatchPanic,
};
use poem_openapi::OperationId;
use service_kit::{
    Problem, Trust,
    caller::RequestContext,
    http::{
        limits::{self, LargeBody},
        observe,
    },
    problem,
    trust::Claims,
};

use crate::{
    headers,
    origin::Origin,
    problems,
    proxy::Proxy,
    rate_limit::{RateLimiter, Subject},
    routes,
};

/// What the gateway answers itself. None of it is counted: probes and readers of the documents use up nobody's quota.
const OWN: [&str; 7] =
    ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/docs/events", "/asyncapi.json"];

/// What a TRACE or CONNECT request is told.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// What requests meet on their way.
pub(crate) struct Gateway {
    /// Who is believed.
    pub(crate) trust: Trust,
    /// Whether the keys and revocations are known by now.
    pub(crate) caught_up: CaughtUp,
    /// Who has sent how many requests.
    pub(crate) limiter: RateLimiter,
    /// The services.
    pub(crate) proxy: Arc<Proxy>,
}

/// Paths whose requests may be larger than others, by so many bytes: images in Base64. Whoever answers them may take less.
const LARGE: [(&str, usize); 2] = [
    ("/api/v1/moderation/media/images", 6 * 1024 * 1024),
    ("/api/v1/moderation/media/checks", 6 * 1024 * 1024),
];

type Layer = Arc<BoxEndpoint<'static, Response>>;

/// The gateway as one endpoint; `own` answers the paths of [`OWN`].
pub(crate) fn endpoint(
    gateway: Gateway,
    own: Route,
    trusted_hops: usize,
) -> impl Endpoint<Output = Response> + 'static {
    let gateway = Arc::new(gateway);
    let own: Layer = Arc::new(own.map_to_response().boxed());
    let routed = layer({
        let gateway = Arc::clone(&gateway);
        move |request| {
            let (gateway, own) = (Arc::clone(&gateway), Arc::clone(&own));
            async move { route(&gateway, &own, request).await }
        }
    });
    let large: Arc<[LargeBody]> =
        LARGE.map(|(path, bytes)| LargeBody::new(path.to_owned(), bytes)).into();
    let limited = layer(move |request| {
        let (routed, large) = (Arc::clone(&routed), Arc::clone(&large));
        async move { respond(limits::limit_by_path(&*routed, request, &large).await) }
    });
    let admitted = make(move |request| {
        let (gateway, limited) = (Arc::clone(&gateway), Arc::clone(&limited));
        async move { Ok::<_, poem::Error>(admit(&gateway, &limited, request).await) }
    });
    let panicked = |_| problem::panicked();
    let caught: Layer =
        Arc::new(admitted.with(CatchPanic::new().with_handler(panicked)).map_to_response().boxed());
    let observed = layer(move |request| {
        let caught = Arc::clone(&caught);
        async move { respond(observe::observe(&*caught, request).await) }
    });
    make(move |mut request: Request| {
        let observed = Arc::clone(&observed);
        async move {
            let https = prepare(&mut request, trusted_hops);
            let mut response = observed.get_response(request).await;
            headers::secure(response.headers_mut(), https);
            Ok::<_, poem::Error>(response)
        }
    })
}

fn layer<F, R>(call: F) -> Layer
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    Arc::new(
        make(move |request| {
            let response = call(request);
            async move { Ok::<_, poem::Error>(response.await) }
        })
        .boxed(),
    )
}

fn respond(result: poem::Result<Response>) -> Response {
    result.unwrap_or_else(problem::render)
}

/// Removes what no client may say, and notes where the request comes from. True if the client speaks HTTPS.
fn prepare(request: &mut Request, trusted_hops: usize) -> bool {
    let origin = Origin::of(request, trusted_hops);
    let headers = request.headers_mut();
    headers::remove_reserved(headers);
    headers::ensure_trace(headers);
    if let Some(origin) = origin {
        request.set_data(origin);
    }
    origin.is_some_and(|origin| origin.https)
}

/// Lets a request in, if its token holds and its sender has a quota left.
async fn admit(gateway: &Gateway, next: &Layer, request: Request) -> Response {
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return problems::method_not_allowed(ALLOWED);
    }
    if request.headers().get_all(header::HOST).iter().count() > 1 {
        return Problem::bad_request("duplicate-host", "there is more than one Host").response();
    }
    if OWN.contains(&request.uri().path()) {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return problems::method_not_allowed("GET, HEAD");
        }
        return next.get_response(request).await;
    }
    let claims = authenticate(gateway, &request);
    let Some(subject) = subject(&claims, &request) else {
        return Problem::bad_request("no-origin", "the sender has no address").response();
    };
    let id = request.data::<RequestContext>().map(|context| context.request_id);
    let decision = gateway.limiter.take(subject, id.unwrap_or_default()).await;
    let mut response = match claims {
        _ if !decision.admitted => problems::quota_exceeded(&decision),
        Err(problem) => problem.response(),
        Ok(_) => next.get_response(request).await,
    };
    decision.describe(response.headers_mut());
    response
}

/// The claims of the request's token; `None` if it has none, which the service may or may not accept.
fn authenticate(gateway: &Gateway, request: &Request) -> Result<Option<Arc<Claims>>, Problem> {
    let Some(credentials) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let credentials = credentials.to_str().unwrap_or_default();
    let (scheme, token) = credentials.split_once(' ').unwrap_or((credentials, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    gateway.trust.verify(token.trim()).map(Some).map_err(|error| {
        if !gateway.caught_up.is_done() || !gateway.trust.has_heard_of_keys() {
            return Problem::unavailable("the keys that sign tokens are still being read");
        }
        tracing::debug!(error = event_runtime::error::chain(&error), "token refused");
        Problem::unauthorized("the access token is expired, revoked or not one of ours")
    })
}

/// Whose request it is. A token that does not hold proves nothing: its sender is an address like any other.
fn subject(claims: &Result<Option<Arc<Claims>>, Problem>, request: &Request) -> Option<Subject> {
    if let Ok(Some(claims)) = claims {
        return Some(Subject::User(claims.sub));
    }
    request.data::<Origin>().map(|origin| Subject::address(origin.address))
}

/// Answers a request here, or sends it where the table says.
async fn route(gateway: &Gateway, own: &Layer, request: Request) -> Response {
    if OWN.contains(&request.uri().path()) {
        return own.get_response(request).await;
    }
    match routes::resolve(request.method(), request.uri().path()) {
        Ok(target) => {
            let mut response = gateway.proxy.forward(&target, request).await;
            // The figures of a request are its service's, whoever answered in the end.
            response.set_data(OperationId(target.upstream.name()));
            response
        }
        Err(reason) => problems::no_route(reason),
    }
}
