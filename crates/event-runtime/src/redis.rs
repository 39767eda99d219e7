//! Connections to Redis, configured against the ways in which a client library can lose or repeat work.

use std::time::Duration;

use fred::types::config::{ReconnectPolicy, UnresponsiveConfig};
use fred::{
    clients::{Client, WithOptions},
    interfaces::ClientLike,
    types::{
        Builder,
        config::{Config, Options, TcpConfig},
    },
};

/// How long a blocking read waits for news; also the longest that a shutdown waits for it.
pub(crate) const BLOCK: Duration = Duration::from_millis(500);

/// How long any other command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// A client that connects in the background and reconnects for ever. One blocking reader owns one client.
///
/// # Errors
///
/// If the URL is not a Redis URL.
pub fn connect(url: &str) -> Result<Client, fred::error::Error> {
    let config = Config::from_url(url)?;
    let client = Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_secs(2);
            connection.internal_command_timeout = Duration::from_secs(2);
            // A command repeated by the library could take effect twice.
            connection.max_command_attempts = 1;
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
            connection.unresponsive = UnresponsiveConfig {
                max_timeout: Some(Duration::from_secs(5)),
                interval: Duration::from_secs(1),
            };
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_TIMEOUT;
        })
        .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2))
        .build()?;
    // The task ends with the client; its result is the same error that every command gets.
    drop(client.connect());
    Ok(client)
}

/// The client, for one command that must not be repeated by the library.
pub(crate) fn once(client: &Client) -> WithOptions<Client> {
    client.with_options(&Options {
        max_attempts: Some(1),
        fail_fast: false,
        timeout: Some(COMMAND_TIMEOUT),
        ..Options::default()
    })
}

/// The client, for one blocking read: it answers after [`BLOCK`], or the connection is dead.
pub(crate) fn blocking(client: &Client) -> WithOptions<Client> {
    client.with_options(&Options {
        max_attempts: Some(1),
        fail_fast: false,
        timeout: Some(BLOCK + Duration::from_millis(1_500)),
        ..Options::default()
    })
}

/// A pause after the `failures`-th failure in a row: 100 ms doubled each time up to 5 s, half of it random.
pub(crate) fn backoff(failures: u32) -> Duration {
    let ceiling = 100u64.saturating_mul(1 << failures.min(6)).min(5_000);
    // Random bits without a generator of our own: the lower half of a fresh id.
    #[expect(clippy::disallowed_methods, reason = "used for its random bits alone")]
    let random = u64::from(uuid::Uuid::new_v4().as_fields().0);
    Duration::from_millis(ceiling / 2 + random % (ceiling / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_between_100_ms_and_5_s() {
        for failures in 1..40 {
            let pause = backoff(failures);

            assert!(
                (Duration::from_millis(100)..=Duration::from_secs(5)).contains(&pause),
                "{pause:?}"
            );
        }
        assert!(backoff(20) >= Duration::from_millis(2_500));
    }
}
