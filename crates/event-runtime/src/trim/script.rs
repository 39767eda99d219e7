//! The script: what must not go is found out, and the rest removed, in one step inside Redis.

use fred::{clients::Client, interfaces::LuaInterface, types::Value};

use crate::{RuntimeError, redis::once, stream::StreamKey};

const SCRIPT: &str = include_str!("trim.lua");

/// What the store knows about who needs a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Entries up to here may go.
    pub limit: u64,
    /// Groups that have to exist in Redis: without them nobody knows what they were handed.
    pub required: Vec<String>,
    /// Groups whose place in Redis does not matter any more.
    pub retired: Vec<String>,
}

/// What came of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trimmed {
    /// Nothing, or something, went.
    Entries {
        /// How many.
        count: u64,
        /// A group that Redis has and that holds back entries which the plan allowed to go.
        held_by: Option<String>,
        /// The first sequence number that the stream still has; `None` if it has no entries.
        first: Option<u64>,
        /// The last sequence number that may go. Some before it may still be there: whole blocks go at a time.
        through: u64,
    },
    /// Nothing went: a group that has to exist does not.
    GroupMissing(String),
    /// There is no stream.
    NoStream,
}

/// Removes at most about `slice` entries, the oldest first. With `dry_run` none, and the answer says what may go.
///
/// # Errors
///
/// [`RuntimeError::Redis`] if Redis does not answer, or not as the script does.
pub async fn execute(
    redis: &Client,
    key: StreamKey,
    plan: &Plan,
    slice: u64,
    dry_run: bool,
) -> Result<Trimmed, RuntimeError> {
    let mut arguments = vec![
        plan.limit.to_string(),
        slice.to_string(),
        u8::from(!dry_run).to_string(),
        plan.required.len().to_string(),
    ];
    arguments.extend(plan.required.iter().chain(&plan.retired).cloned());
    let reply: Vec<Value> = once(redis).eval(SCRIPT, key.to_string(), arguments).await?;
    let mut reply = reply.into_iter();
    let mut text = || reply.next().and_then(Value::into_string).unwrap_or_default();
    match text().as_str() {
        "trimmed" => {
            let count = text().parse().unwrap_or(0);
            let held_by = Some(text()).filter(|group| !group.is_empty());
            let first = text().parse().ok();
            let keep: u64 = text().parse().unwrap_or(0);
            let through = if text() == "1" { keep } else { keep.saturating_sub(1) };
            Ok(Trimmed::Entries { count, held_by, first, through })
        }
        "missing" => Ok(Trimmed::GroupMissing(text())),
        "absent" => Ok(Trimmed::NoStream),
        other => Err(RuntimeError::Redis(fred::error::Error::new(
            fred::error::ErrorKind::Protocol,
            format!("the trim script answered {other:?}"),
        ))),
    }
}
