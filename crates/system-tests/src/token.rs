//! From a post to its token: as anybody sees it, and as a program reads it that shares no code with ours.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio::process::Command;

use crate::client::{Client, text, until};

/// How long a post may take to become a token: the delay of a local stack, a batch, and a few blocks.
const LIMIT: Duration = Duration::from_mins(2);

/// A token, as the platform's provenance tells it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The contract's address.
    pub contract: String,
    /// The token: `0x` and 64 digits.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// Where the contract says that the metadata is.
    pub uri: String,
    /// Whether every link holds.
    pub verdict: String,
}

/// Waits until a post is a token that is final, and is told of every state on the way.
///
/// # Errors
///
/// How it stood when the time was over.
pub async fn minted(client: &Client, post: &str, on_state: impl Fn(&str)) -> Result<Token> {
    let path = format!("/provenance/{post}");
    let mut last = String::new();
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let answer = client.call(&Method::GET, &path, None, None, None).await?;
        let state = match answer.status.as_u16() {
            200 => text(&answer.body, "state")?,
            404 => "WAITING".to_owned(),
            _ => format!("{} {}", answer.status, answer.body),
        };
        if state != last {
            on_state(&state);
            last.clone_from(&state);
        }
        if state == "MINTING_COMPLETED" {
            return token(&answer.body);
        }
        ensure!(tokio::time::Instant::now() < deadline, "after {LIMIT:?} the mint is {state}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn token(provenance: &Value) -> Result<Token> {
    Ok(Token {
        contract: text(provenance, "contract")?,
        id: text(provenance, "token_id")?,
        owner: text(provenance, "owner")?,
        uri: text(provenance, "uri")?,
        verdict: text(provenance, "verdict")?,
    })
}

/// What `cast` reads from the chain: where the metadata is, and how many of the token its owner has.
///
/// # Errors
///
/// What it says when it cannot.
pub async fn read_by_cast(cast: &Path, rpc: &str, token: &Token) -> Result<(String, String)> {
    let uri = call(cast, rpc, &[&token.contract, "uri(uint256)(string)", &token.id]).await?;
    let signature = "balanceOf(address,uint256)(uint256)";
    let balance = call(cast, rpc, &[&token.contract, signature, &token.owner, &token.id]).await?;
    Ok((uri.trim_matches('"').to_owned(), balance))
}

async fn call(cast: &Path, rpc: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(cast)
        .args(["call", "--rpc-url", rpc])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {}", cast.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cast: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The document behind a token's URI, through the gateway.
///
/// # Errors
///
/// If nobody serves them.
pub async fn document(client: &Client, token: &Token) -> Result<Value> {
    let cid = token.uri.strip_prefix("ipfs://").context("no IPFS URI")?;
    let url = format!("{}/ipfs/{cid}?format=raw", client.endpoints().gateway);
    until(Duration::from_secs(5), || async {
        client.send(&url, &Method::GET, None, None, None).await?.expect(200)
    })
    .await
}
