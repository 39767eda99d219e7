//! The log that all gateways share, in Redis.

use std::time::Duration;

use bytes::Bytes;
use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::LuaInterface,
    prelude::ClientLike as _,
    types::{Value, config::Options},
};
use uuid::Uuid;

use super::{Decision, Policy};

const SCRIPT: &str = include_str!("rate_limit.lua");

/// How long a request waits for its turn to be counted.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct SharedLog {
    redis: Client,
}

impl SharedLog {
    /// A log in the Redis at `url`, which need not run yet.
    pub(super) fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self { redis: event_runtime::redis::connect(url)? })
    }

    /// Counts a request, if it may pass.
    pub(super) async fn take(
        &self,
        key: &str,
        request: Uuid,
        policy: Policy,
    ) -> Result<Decision, Error> {
        let window = i64::try_from(policy.window.as_micros()).unwrap_or(i64::MAX);
        let arguments = vec![
            Value::Integer(policy.quota.into()),
            Value::Integer(window),
            Value::Bytes(Bytes::copy_from_slice(request.as_bytes())),
        ];
        // Fail at once while there is no connection; a request is not worth waiting for one.
        let options = Options {
            max_attempts: Some(1),
            fail_fast: true,
            timeout: Some(TIMEOUT),
            ..Options::default()
        };
        let redis = self.redis.with_options(&options);
        let reply: (i64, i64, i64) = redis.eval(SCRIPT, key, arguments).await?;
        let (admitted, remaining, reset) = reply;
        let (Ok(remaining), Ok(reset)) = (u32::try_from(remaining), u64::try_from(reset)) else {
            return Err(Error::new(ErrorKind::Parse, "the reply is out of range"));
        };
        Ok(Decision {
            policy,
            admitted: admitted == 1,
            remaining,
            reset: Duration::from_micros(reset),
        })
    }
}
