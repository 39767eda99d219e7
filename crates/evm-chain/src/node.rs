//! One node over JSON-RPC: single calls and batches, with what the node refused as data.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

/// How long a node may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The longest answer that is read, in bytes: a batch of receipts is a few megabytes.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// What a node answered instead of a result.
#[derive(Clone, Debug, Deserialize)]
pub struct Refusal {
    /// Every vendor has its own; a hint for people.
    pub code: i64,
    /// The same.
    pub message: String,
    /// For a reverted call: what the contract returned.
    #[serde(default)]
    pub data: Option<Value>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No answer, or none of the protocol. Whether the request took effect is unknown.
    #[error("no answer from the node")]
    Transport(#[from] reqwest::Error),
    /// The node said no.
    #[error("the node refuses: {} (code {})", .0.message, .0.code)]
    Refused(Refusal),
    /// An answer that means nothing.
    #[error("the node's answer cannot be read: {0}")]
    Unreadable(String),
}

impl RpcError {
    /// What the contract returned when the call was reverted; `None` if this is about something else.
    pub fn revert_data(&self) -> Option<Vec<u8>> {
        fn find(value: &Value) -> Option<&str> {
            match value {
                Value::String(text) if text.starts_with("0x") => Some(text),
                Value::Object(fields) => fields.get("data").and_then(find),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => None,
            }
        }
        let Self::Refused(refusal) = self else { return None };
        crate::unhex(find(refusal.data.as_ref()?)?)
    }
}

/// A client of one node.
pub struct Node {
    url: Url,
    http: reqwest::Client,
    next_id: AtomicU64,
}

impl Node {
    /// A client that gives every request `timeout`.
    ///
    /// # Errors
    ///
    /// [`RpcError::Transport`] if this machine cannot do TLS.
    pub fn new(url: Url, timeout: Duration) -> Result<Self, RpcError> {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_LIMIT)
            .no_proxy()
            .build()?;
        Ok(Self { url, http, next_id: AtomicU64::new(1) })
    }

    /// Which node, without what its URL may hold of a key.
    pub fn name(&self) -> String {
        let host = self.url.host_str().unwrap_or("?");
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// One call.
    ///
    /// # Errors
    ///
    /// [`RpcError`].
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<R, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        result(self.post(&body).await?)
    }

    /// Many calls in one request, answered in their order.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if there is no answer to the whole; each call can fail by itself, too.
    pub async fn batch<R: DeserializeOwned>(
        &self,
        calls: &[(&str, Value)],
    ) -> Result<Vec<Result<R, RpcError>>, RpcError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let count = calls.len() as u64;
        let first = self.next_id.fetch_add(count, Ordering::Relaxed);
        let body: Vec<Value> = calls
            .iter()
            .zip(first..)
            .map(|((method, params), id)| {
                json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
            })
            .collect();
        let Value::Array(mut answers) = self.post(&json!(body)).await? else {
            return Err(RpcError::Unreadable("one answer to many calls".to_owned()));
        };
        let id_of = |answer: &Value| answer.get("id").and_then(Value::as_u64);
        answers.sort_by_key(|answer| id_of(answer).unwrap_or(u64::MAX));
        let is_whole = answers.iter().map(id_of).eq((first..first + count).map(Some));
        if !is_whole {
            let what = format!("{} answers to {count} calls, or others", answers.len());
            return Err(RpcError::Unreadable(what));
        }
        Ok(answers.into_iter().map(result).collect())
    }

    async fn post(&self, body: &Value) -> Result<Value, RpcError> {
        let mut response =
            self.http.post(self.url.clone()).json(body).send().await.map_err(nameless)?;
        let status = response.status();
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(nameless)? {
            text.extend_from_slice(&chunk);
            if text.len() > ANSWER_LIMIT {
                return Err(RpcError::Unreadable("it is too long".to_owned()));
            }
        }
        serde_json::from_slice(&text)
            .map_err(|error| RpcError::Unreadable(format!("{error} (HTTP {})", status.as_u16())))
    }
}

/// The URL of a node may hold a key.
fn nameless(error: reqwest::Error) -> RpcError {
    RpcError::Transport(error.without_url())
}

fn result<R: DeserializeOwned>(mut answer: Value) -> Result<R, RpcError> {
    let unreadable = |error: serde_json::Error| RpcError::Unreadable(error.to_string());
    if let Some(error) = answer.get_mut("error").filter(|error| !error.is_null()) {
        return Err(RpcError::Refused(serde_json::from_value(error.take()).map_err(unreadable)?));
    }
    let Some(result) = answer.get_mut("result") else {
        return Err(RpcError::Unreadable("neither a result nor an error".to_owned()));
    };
    serde_json::from_value(result.take()).map_err(unreadable)
}
