//! How the gateway itself refuses or fails.

use std::time::Duration;

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::json;
use service_kit::Problem;

use crate::{
    rate_limit::{Decision, whole_seconds},
    routes::{NoRoute, Upstream},
};

/// 429, as draft-ietf-httpapi-ratelimit-headers-11 has it.
pub(crate) fn quota_exceeded(decision: &Decision) -> Response {
    let policy = decision.policy;
    let body = json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": format!(
            "{} requests in {} seconds; try again in {} seconds",
            policy.quota, policy.window.as_secs(), decision.reset_seconds()
        ),
        "violated-policies": [policy.name],
    });
    let mut response = body
        .to_string()
        .with_content_type("application/problem+json")
        .with_status(StatusCode::TOO_MANY_REQUESTS)
        .into_response();
    retry_after(&mut response, decision.reset);
    response
}

/// 503: a service cannot be reached, or is left alone after it could not.
pub(crate) fn upstream_unavailable(upstream: Upstream, retry_in: Duration) -> Response {
    let detail = format!("the {} service does not answer; try again", upstream.name());
    let title = "A service is not available";
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "upstream-unavailable", title, Some(detail));
    let mut response = problem.response();
    retry_after(&mut response, retry_in);
    response
}

/// 504: a service took too long.
pub(crate) fn upstream_timeout(upstream: Upstream, limit: Duration) -> Response {
    let detail = format!(
        "the {} service did not answer within {} seconds; the request may have taken effect",
        upstream.name(),
        limit.as_secs()
    );
    let title = "A service took too long";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", title, Some(detail)).response()
}

/// 502: a service took the request and its answer was lost.
pub(crate) fn upstream_lost(upstream: Upstream) -> Response {
    let detail = format!(
        "the answer of the {} service was lost; the request may have taken effect",
        upstream.name()
    );
    let title = "A service's answer was lost";
    Problem::new(StatusCode::BAD_GATEWAY, "upstream-lost", title, Some(detail)).response()
}

/// 404 or 405: the request goes nowhere.
pub(crate) fn no_route(reason: NoRoute) -> Response {
    match reason {
        NoRoute::Path => Problem::not_found("path").response(),
        NoRoute::Method { allow } => method_not_allowed(allow),
    }
}

/// 405, with the methods that are allowed.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let detail = format!("this takes {allow}");
    let problem = Problem::new(status, "method-not-allowed", "Method not allowed", Some(detail));
    let mut response = problem.response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn retry_after(response: &mut Response, wait: Duration) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
}
