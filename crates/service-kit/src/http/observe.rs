//! A name for every request, a figure for every response, headers that every response needs.

use std::time::Instant;

use metrics::histogram;
use poem::{
    Endpoint, Request, Response,
    http::{HeaderValue, header},
};
use poem_openapi::OperationId;
use uuid::Uuid;

use crate::{caller::RequestContext, problem};

/// Names the request, serves it whatever happens, and says how long it took.
///
/// # Errors
///
/// None: what `next` fails with becomes a response.
pub async fn observe<E: Endpoint<Output = Response>>(
    next: &E,
    mut request: Request,
) -> poem::Result<Response> {
    let started = Instant::now();
    let method = request.method().clone();
    let context =
        RequestContext { request_id: request_id(&request), traceparent: traceparent(&request) };
    request.set_data(context.clone());

    let mut response = match next.call(request).await {
        Ok(response) => response,
        Err(error) => problem::render(error),
    };
    let status = response.status();
    problem::decorate(status, &mut response);

    // The operation, not the path: a path holds ids, and a figure per id is a figure too many.
    let operation = response.data::<OperationId>().map_or("none", |operation| operation.0);
    histogram!(
        "http_server_request_duration_seconds",
        "operation" => operation,
        "method" => method.as_str().to_owned(),
        "status" => status.as_u16().to_string()
    )
    .record(started.elapsed().as_secs_f64());
    tracing::debug!(
        request.id = %context.request_id, http.method = %method, http.operation = operation,
        http.status = status.as_u16(), duration_ms = started.elapsed().as_secs_f64() * 1e3, "served"
    );

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(context.request_id.to_string()) {
        headers.insert("x-request-id", id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// The id that the gateway gave, or a new one. Anything but a UUID is not an id of ours.
fn request_id(request: &Request) -> Uuid {
    let given = request.header("x-request-id").and_then(|id| id.parse().ok());
    #[expect(clippy::disallowed_methods, reason = "names a request; nothing is ordered by it")]
    given.unwrap_or_else(Uuid::now_v7)
}

/// A valid `traceparent` (W3C Trace Context §3.2), and nothing else: it is stored with events.
fn traceparent(request: &Request) -> Option<String> {
    let value = request.header("traceparent")?;
    let mut parts = value.split('-');
    let valid = [2, 32, 16, 2].iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == *length
                && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    });
    (valid && parts.next().is_none()).then(|| value.to_owned())
}
