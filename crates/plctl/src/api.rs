//! A service's own API, for what operators do through it.

use std::time::Duration;

use local_stack::stack::Endpoints;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::cli::Global;
use crate::exit::Failure;
use crate::ui;

/// The API of one service, as an administrator reaches it.
pub(crate) struct Api {
    service: &'static str,
    base: String,
    token: String,
    http: reqwest::Client,
}

impl Api {
    /// The API of a service at a URL, or of the stack on this machine.
    pub(crate) fn new(
        global: &Global,
        service: &'static str,
        url: Option<String>,
        token: Option<String>,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let url = match url {
            Some(url) => url,
            None => of_stack(global, service)?,
        };
        let token = token.ok_or_else(|| {
            Failure::Config(
                "no access token: set PLCTL_TOKEN, or name one with `--token`".to_owned(),
            )
        })?;
        let http = reqwest::Client::builder()
            .timeout(limit)
            .build()
            .map_err(|error| Failure::failed("no HTTP client can be made", &error))?;
        let base = format!("{}/api/v1/{service}", url.trim_end_matches('/'));
        Ok(Self { service, base, token, http })
    }

    /// Reads something.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await
    }

    /// Asks for something.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let gone = |error: reqwest::Error| {
            Failure::Unavailable(format!("the {} service does not answer: {error}", self.service))
        };
        let response = request.send().await.map_err(gone)?;
        let status = response.status();
        let body = response.json().await.unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let detail = text(&body, "detail");
        let mut what = if detail == "-" { text(&body, "title") } else { detail };
        for error in items(&body, "errors").iter().filter_map(Value::as_str) {
            what.push_str("\n  ");
            what.push_str(error);
        }
        Err(match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => Failure::Unavailable(what),
            StatusCode::UNAUTHORIZED => Failure::Config(format!("the token is not taken: {what}")),
            status => Failure::Refused(format!("{what} ({})", status.as_u16())),
        })
    }
}

/// A service of the stack on this machine.
fn of_stack(global: &Global, service: &str) -> Result<String, Failure> {
    let (state, origin) = crate::config::stack(global.stack.as_deref())?;
    let damaged = |error: anyhow::Error| Failure::Config(format!("{origin}: {error:#}"));
    let endpoints = Endpoints::of(&state).map_err(damaged)?;
    endpoints.service(service).map(str::to_owned).map_err(damaged)
}

/// A field as text; `-` if there is none.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The rows of a list.
pub(crate) fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Everything but lists of objects, one field per line.
pub(crate) fn fields(value: &Value) -> String {
    let Value::Object(fields) = value else { return value.to_string() };
    let is_plain =
        |value: &Value| !matches!(value, Value::Array(rows) if rows.iter().any(Value::is_object));
    let shown = fields.iter().filter(|(_, value)| is_plain(value));
    let rows = shown.map(|(name, _)| [name.replace('_', " "), text(value, name)]);
    ui::table(["field", "value"], rows, "nothing")
}
