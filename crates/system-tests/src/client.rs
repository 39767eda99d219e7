//! HTTP as a careful client speaks it: time limits, keys on what must not happen twice, another try when nobody answered.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use local_stack::stack::Endpoints;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// How long a client keeps trying while services are down.
const PATIENCE: Duration = Duration::from_mins(2);

/// A client of the gateway.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoints: Endpoints,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; a string if it was not JSON, null if there was none.
    pub body: Value,
}

impl Answer {
    /// The body, if the status is the one that was expected.
    ///
    /// # Errors
    ///
    /// With the whole answer otherwise.
    pub fn expect(self, status: u16) -> Result<Value> {
        ensure!(
            self.status.as_u16() == status,
            "expected {status}, got {}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }

    /// Whether another try may help: nobody answered, or nobody who could.
    fn is_temporary(&self) -> bool {
        matches!(self.status.as_u16(), 502..=504)
    }
}

/// A text field of a JSON object.
///
/// # Errors
///
/// If it is not there.
pub fn text(value: &Value, field: &str) -> Result<String> {
    let text = value.get(field).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no text `{field}` in {value}"))
}

/// A whole-number field of a JSON object.
///
/// # Errors
///
/// If it is not there.
pub fn number(value: &Value, field: &str) -> Result<i64> {
    value
        .get(field)
        .and_then(Value::as_i64)
        .with_context(|| format!("no number `{field}` in {value}"))
}

/// The items of a page.
///
/// # Errors
///
/// If it is no page.
pub fn items(page: &Value) -> Result<&Vec<Value>> {
    page.get("items").and_then(Value::as_array).with_context(|| format!("no page: {page}"))
}

impl Client {
    /// A client of a running stack.
    ///
    /// # Errors
    ///
    /// When the system gives no sockets.
    pub fn new(endpoints: Endpoints) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST)
            .connect_timeout(Duration::from_secs(2))
            .build()?;
        Ok(Self { http, endpoints })
    }

    /// Where everything is.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The client underneath, for what is not an API.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// One request to the gateway, below `/api/v1`.
    ///
    /// # Errors
    ///
    /// If there was no answer at all.
    pub async fn try_once(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        self.send(&format!("{}/api/v1{path}", self.endpoints.gateway), method, token, key, body)
            .await
    }

    /// One request to any URL of the stack.
    ///
    /// # Errors
    ///
    /// If there was no answer at all.
    pub async fn send(
        &self,
        url: &str,
        method: &Method,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = self.http.request(method.clone(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok(Answer { status, headers, body })
    }

    /// A request that is repeated until somebody answers it; what it asks for must be safe to ask twice.
    ///
    /// # Errors
    ///
    /// After two minutes without an answer.
    pub async fn call(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(20);
        loop {
            let outcome = self.try_once(method, path, token, key, body).await;
            match outcome {
                Ok(answer) if !answer.is_temporary() => return Ok(answer),
                Ok(answer) if tokio::time::Instant::now() > deadline => {
                    bail!(
                        "{method} {path} was refused for two minutes: {} {}",
                        answer.status,
                        answer.body
                    )
                }
                Err(error) if tokio::time::Instant::now() > deadline => {
                    return Err(
                        error.context(format!("{method} {path} had no answer for two minutes"))
                    );
                }
                Ok(_) | Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// Looks at something every 20 ms until it is so.
///
/// # Errors
///
/// What the last look said, when the time is over.
pub async fn until<T, F, Fut>(limit: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match look().await {
            Ok(value) => return Ok(value),
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error.context(format!("still so after {limit:?}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
