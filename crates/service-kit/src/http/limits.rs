//! What a request may weigh, checked before any handler sees it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use poem::{
    Endpoint, Request, Response,
    http::{StatusCode, header},
};
use tokio::sync::Semaphore;

use crate::Problem;

/// Bytes of a request body.
pub const BODY_BYTES: usize = 64 * 1024;

/// Bytes of a body that is too large, read in order to be thrown away.
const DISCARD_BYTES: usize = 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of path and query together.
const TARGET_BYTES: usize = 8 * 1024;

/// Refuses what is too long, too slow, compressed, or contains NUL; then lets the request on with its body in memory.
///
/// # Errors
///
/// What `next` fails with; its own refusals are responses.
pub async fn limit<E: Endpoint<Output = Response>>(
    next: &E,
    request: Request,
) -> poem::Result<Response> {
    limit_to(next, request, BODY_BYTES).await
}

/// As [`limit`], with bodies of up to `most` bytes.
///
/// # Errors
///
/// As [`limit`].
async fn limit_to<E: Endpoint<Output = Response>>(
    next: &E,
    mut request: Request,
    most: usize,
) -> poem::Result<Response> {
    match check(&mut request, most).await {
        Ok(()) => next.call(request).await,
        Err(problem) => {
            let mut response = problem.response();
            // What is left of the body is not read: the connection cannot be used again.
            response
                .headers_mut()
                .insert(header::CONNECTION, poem::http::HeaderValue::from_static("close"));
            Ok(response)
        }
    }
}

async fn check(request: &mut Request, most: usize) -> Result<(), Problem> {
    let target =
        request.uri().path_and_query().map(|target| target.as_str().to_owned()).unwrap_or_default();
    if target.len() > TARGET_BYTES {
        return Err(too(
            StatusCode::URI_TOO_LONG,
            "uri-too-long",
            "path and query hold 8 KiB at most",
        ));
    }
    if target.contains("%00") {
        return Err(Problem::bad_request("nul", "the request contains the character NUL"));
    }
    if request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return Err(too(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed-request",
            "compressed requests are not accepted",
        ));
    }
    let body = read(request, most).await?;
    if has_nul(&body) {
        return Err(Problem::bad_request("nul", "the request contains the character NUL"));
    }
    request.set_body(body);
    Ok(())
}

async fn read(request: &mut Request, most: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, collect(request.take_body(), most)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => Err(body_too_large(most)),
        Ok(Err(error)) => Err(Problem::bad_request("unreadable-body", error.to_string())),
        Err(_elapsed) => Err(too(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "the body took longer than 10 seconds",
        )),
    }
}

/// The body, or `None` if it is too large. A little of what is too much is read and thrown away: a client that is still
/// sending when the connection closes would be told of a broken connection and never see the answer.
async fn collect(body: poem::Body, most: usize) -> Result<Option<Bytes>, std::io::Error> {
    let mut chunks = body.into_bytes_stream();
    let mut kept = BytesMut::new();
    let mut length = 0;
    while let Some(chunk) = chunks.try_next().await? {
        length += chunk.len();
        if length > most.max(DISCARD_BYTES) {
            return Ok(None);
        }
        if length <= most {
            kept.extend_from_slice(&chunk);
        }
    }
    Ok((length <= most).then(|| kept.freeze()))
}

fn body_too_large(most: usize) -> Problem {
    let detail = format!("a request body holds {} KiB at most", most / 1024);
    too(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &detail)
}

/// A path whose requests may be larger than others.
pub struct LargeBody {
    path: String,
    bytes: usize,
    /// Bodies are in memory before anybody knows who sends them: few at a time.
    turn: Semaphore,
}

/// Large bodies of one path that are in memory at once.
const LARGE_AT_ONCE: usize = 2;

impl LargeBody {
    /// Bodies of up to `bytes` bytes at a path, prefix included.
    pub fn new(path: String, bytes: usize) -> Self {
        Self { path, bytes, turn: Semaphore::new(LARGE_AT_ONCE) }
    }
}

/// As [`limit`], with larger bodies at some paths.
///
/// # Errors
///
/// As [`limit`].
pub async fn limit_by_path<E: Endpoint<Output = Response>>(
    next: &E,
    request: Request,
    large: &[LargeBody],
) -> poem::Result<Response> {
    let Some(large) = large.iter().find(|large| large.path == request.uri().path()) else {
        return limit(next, request).await;
    };
    match tokio::time::timeout(BODY_TIMEOUT, large.turn.acquire()).await {
        Ok(Ok(_turn)) => limit_to(next, request, large.bytes).await,
        Ok(Err(_)) | Err(_) => {
            Ok(Problem::unavailable("other large requests are in hand; try again").response())
        }
    }
}

fn too(status: StatusCode, kind: &str, detail: &str) -> Problem {
    Problem::new(
        status,
        kind,
        status.canonical_reason().unwrap_or("Refused"),
        Some(detail.to_owned()),
    )
}

/// Whether a body contains NUL: as a byte, as JSON's `\u0000`, or as `%00` of a form. PostgreSQL cannot store it in a text.
fn has_nul(body: &[u8]) -> bool {
    let mut backslashes = 0_usize;
    for (at, byte) in body.iter().enumerate() {
        match byte {
            0 => return true,
            b'\\' => {
                backslashes += 1;
                continue;
            }
            // An even number of backslashes are backslashes; an odd one escapes what follows.
            b'u' if backslashes % 2 == 1 && body.get(at + 1..at + 5) == Some(b"0000") => {
                return true;
            }
            b'%' if body.get(at + 1..at + 3) == Some(b"00") && !body.starts_with(b"{") => {
                return true;
            }
            _ => (),
        }
        backslashes = 0;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_in_every_disguise() {
        assert!(has_nul(b"{\"a\":\"\\u0000\"}"));
        assert!(has_nul(b"{\"a\":\"\\\\\\u0000\"}"));
        assert!(has_nul(b"a=%00"));
        assert!(has_nul(b"\0"));
    }

    #[test]
    fn what_only_looks_like_nul_is_let_through() {
        assert!(!has_nul(b"{\"a\":\"\\\\u0000\"}"));
        assert!(!has_nul(b"{\"a\":\"100%00\"}"));
        assert!(!has_nul(b"{\"a\":\"u0000\"}"));
    }
}
