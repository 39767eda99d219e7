//! Writing stored events to a stream, each at its own place, whoever else writes them.

use fred::{clients::Client, interfaces::LuaInterface};

use super::page::{Batch, Page};
use crate::{RuntimeError, redis::once};

const SCRIPT: &str = include_str!("publish.lua");

/// The same, for a stream that ends by itself a minute after the last call that found it where it was expected or not.
const SCRIPT_FOR_A_WHILE: &str = concat!(
    "local function append()\n",
    include_str!("publish.lua"),
    "\nend\nlocal last = append()\nredis.call('EXPIRE', KEYS[1], 60)\nreturn last"
);

/// Appends a page to a stream whose last sequence number is `last`, 0 if it is empty. Returns its last one after the call:
/// another than that of the page's last event means that the rest was refused, because the stream ends elsewhere.
///
/// # Errors
///
/// If Redis does not answer. Whether events without an answer were written is not known.
pub(crate) async fn append(
    redis: &Client,
    key: &str,
    last: u64,
    page: &Page,
) -> Result<u64, RuntimeError> {
    run(SCRIPT, redis, key, last, page).await
}

/// The same, to a stream that Redis forgets a minute after the last call.
///
/// # Errors
///
/// As [`append`].
pub(crate) async fn append_for_a_while(
    redis: &Client,
    key: &str,
    last: u64,
    page: &Page,
) -> Result<u64, RuntimeError> {
    run(SCRIPT_FOR_A_WHILE, redis, key, last, page).await
}

async fn run(
    script: &'static str,
    redis: &Client,
    key: &str,
    mut last: u64,
    page: &Page,
) -> Result<u64, RuntimeError> {
    for Batch { mut arguments, end } in page.batches() {
        arguments.push(last.to_string().into());
        let reached: String = once(redis).eval(script, key, arguments).await?;
        last = reached.parse().unwrap_or(0);
        if last != end {
            break;
        }
    }
    Ok(last)
}
