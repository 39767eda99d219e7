//! Problems: how every request that cannot be served is answered (RFC 9457).

use std::error::Error;

use event_runtime::ExecuteError;
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{ApiResponse, Object, payload::Json, types::Example};
use sea_orm::DbErr;

/// A problem document (RFC 9457 §3).
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct ProblemDetails {
    /// A URI reference that names the kind of problem and never changes.
    #[oai(rename = "type")]
    pub kind: String,
    /// The kind of problem, in a few words.
    pub title: String,
    /// The HTTP status code, repeated for clients that only keep the body.
    pub status: u16,
    /// What went wrong this time, for a person to read.
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
    /// Everything that is wrong, where there is more than one thing to put right.
    #[oai(skip_serializing_if_is_none)]
    pub errors: Option<Vec<String>>,
}

impl Example for ProblemDetails {
    fn example() -> Self {
        Problem::not_found("post").details().clone()
    }
}

/// How every endpoint of every service fails.
#[derive(Clone, Debug, ApiResponse)]
pub enum Problem {
    /// The request cannot be served as sent.
    #[oai(status_range = "4XX", content_type = "application/problem+json")]
    Client(StatusCode, Json<ProblemDetails>),
    /// The service failed; the same request may succeed later.
    #[oai(status_range = "5XX", content_type = "application/problem+json")]
    Server(StatusCode, Json<ProblemDetails>),
}

impl Problem {
    /// A problem of a kind of its own; `kind` is the last segment of its URI.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: Option<String>) -> Self {
        let details = Json(ProblemDetails {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail,
            errors: None,
        });
        if status.is_server_error() {
            Self::Server(status, details)
        } else {
            Self::Client(status, details)
        }
    }

    /// 400: the request itself is malformed.
    pub fn bad_request(kind: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, "The request is malformed", Some(detail.into()))
    }

    /// 401: nobody, or nobody we believe.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in first", Some(detail.into()))
    }

    /// 403: somebody, but not the right one.
    pub fn forbidden(kind: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, kind, "Not allowed", Some(detail.into()))
    }

    /// 404: there is no such thing, or none that the caller may see.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            Some(format!("there is no such {what}")),
        )
    }

    /// 409: the state of things forbids it.
    pub fn conflict(kind: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, "Not in this state", Some(detail.into()))
    }

    /// 412: the resource has changed since the caller read it (RFC 9110 §15.5.13).
    pub fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "version-conflict",
            "The resource changed since you read it",
            Some("read it again and repeat the request with its new ETag".to_owned()),
        )
    }

    /// 422: well formed and not acceptable.
    pub fn unprocessable(kind: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, "Not acceptable", Some(detail.into()))
    }

    /// 503: not now; the client may try again after a moment.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not available now",
            Some(detail.into()),
        )
    }

    /// 500: logs the cause with all that led to it, and tells the client nothing of it.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = event_runtime::error::chain(cause), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", None)
    }

    /// The same problem, with everything that is wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<String>) -> Self {
        let (Self::Client(_, Json(details)) | Self::Server(_, Json(details))) = &mut self;
        details.errors = Some(errors);
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Client(status, _) | Self::Server(status, _) => *status,
        }
    }

    /// The document, for responses that poem-openapi does not make.
    pub fn details(&self) -> &ProblemDetails {
        match self {
            Self::Client(_, Json(details)) | Self::Server(_, Json(details)) => details,
        }
    }

    /// The response, with the headers that its status calls for.
    pub fn response(self) -> Response {
        let status = self.status();
        let mut response = self.into_response();
        decorate(status, &mut response);
        response
    }
}

/// Headers without which a status is incomplete: a challenge with 401 (RFC 9110 §11.6.1), a moment with 503 (§10.2.3).
pub(crate) fn decorate(status: StatusCode, response: &mut Response) {
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE) {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"peerlink\""),
        );
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(header::RETRY_AFTER) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        if event_runtime::error::is_transient(&error) {
            tracing::warn!(
                error = event_runtime::error::chain(&error),
                "request waits for the database in vain"
            );
            Self::unavailable("the database does not answer; try again")
        } else {
            Self::internal(&error)
        }
    }
}

impl<R: Error + Into<Self> + 'static> From<ExecuteError<R>> for Problem {
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => refusal.into(),
            ExecuteError::VersionConflict { .. } => Self::precondition_failed(),
            ExecuteError::Storage(error) => error.into(),
            ExecuteError::UnknownEvent { .. }
            | ExecuteError::Decode(_)
            | ExecuteError::Encode(_) => Self::internal(&error),
        }
    }
}

/// What a panicking handler is answered with. The panic hook has said where it was.
pub fn panicked() -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", None).response()
}

/// Renders any error that reaches the top of the stack as a problem: an unknown route, a missing token, a body that
/// does not parse. Handlers already fail with a [`Problem`].
pub fn render(error: poem::Error) -> Response {
    if error.is_from_response() {
        let mut response = error.into_response();
        let status = response.status();
        decorate(status, &mut response);
        return response;
    }
    let status = error.status();
    if status.is_server_error() {
        return Problem::internal(&*Box::<dyn Error + Send + Sync>::from(error.to_string()))
            .response();
    }
    if error.is::<poem_openapi::error::AuthorizationError>() {
        return Problem::unauthorized("this needs an access token: `Authorization: Bearer …`")
            .response();
    }
    let title = status.canonical_reason().unwrap_or("Error");
    // Path parameters have no names in these messages, and what they say of them misleads.
    let detail = if error.is::<poem_openapi::error::ParsePathError>() {
        "a part of the path is not a valid id".to_owned()
    } else {
        error.to_string()
    };
    let kind = title.to_ascii_lowercase().replace(' ', "-");
    Problem::new(status, &kind, title, Some(detail)).response()
}
