//! Connections to Redis, configured against the ways in which a client library can lose or repeat work.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use fred::types::config::{ReconnectPolicy, UnresponsiveConfig};
use fred::{
    clients::{Client, WithOptions},
    error::{Error, ErrorKind},
    interfaces::ClientLike,
    types::{
        Builder, ConnectHandle,
        config::{Config, Options, TcpConfig},
    },
};

use crate::error::chain;

/// How long a blocking read waits for news; also the longest that a shutdown waits for it.
pub(crate) const BLOCK: Duration = Duration::from_millis(500);

/// How long any other command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait for a connection to be replaced or closed.
const RECOVERY: Duration = Duration::from_secs(1);

/// A client that connects in the background and reconnects for ever. One blocking reader owns one client.
///
/// # Errors
///
/// If the URL is not a Redis URL.
pub fn connect(url: &str) -> Result<Client, Error> {
    let client = client(url)?;
    // The task ends when the client is closed; its result is the same error that every command gets.
    drop(client.connect());
    Ok(client)
}

/// A connection of one blocking reader, which can be left in the middle of a read.
pub(crate) struct Dedicated {
    client: Client,
    /// `None` when it was abandoned.
    task: Mutex<Option<ConnectHandle>>,
}

impl Dedicated {
    pub(crate) fn connect(url: &str) -> Result<Self, Error> {
        let client = client(url)?;
        let task = Mutex::new(Some(client.connect()));
        Ok(Self { client, task })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Closes the socket now. Redis gives nothing more to a read whose connection is gone, while a polite end would wait
    /// for the read.
    pub(crate) async fn abandon(self) {
        let Some(mut task) = self.task().take() else { return };
        task.abort();
        if let Err(error) = (&mut task).await
            && !error.is_cancelled()
        {
            tracing::debug!(error = chain(&error), "the connection's task failed");
        }
    }

    /// As [`recover`].
    pub(crate) async fn recover(&self, error: &Error) {
        if let Some(task) = replaced(&self.client, error).await
            && let Some(former) = self.task().replace(task)
        {
            former.abort();
        }
    }

    fn task(&self) -> MutexGuard<'_, Option<ConnectHandle>> {
        self.task.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
    }
}

/// A connection that all consumers of a process share, for commands that do not block.
pub(crate) struct Shared {
    client: Client,
    health: Mutex<Health>,
}

impl Shared {
    pub(crate) fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self { client: connect(url)?, health: Mutex::default() })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A result of this connection, which is replaced when it failed. Once for all commands that fail together, since the
    /// others would only break the new one; and after an answer of the server only when it comes again, since an owner
    /// begins anew with its own connection, which then finds the other server first.
    pub(crate) async fn checked<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let Err(error) = &result else {
            *self.health() = Health::default();
            return result;
        };
        let is_due = {
            let mut health = self.health();
            health.failures += 1;
            let is_due = (health.failures > 1 || is_broken(error))
                && health.replaced.is_none_or(|at| at.elapsed() > RECOVERY);
            if is_due {
                health.replaced = Some(Instant::now());
            }
            is_due
        };
        if is_due {
            recover(&self.client, error).await;
        }
        result
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("no holder of this lock panics")
    }
}

/// How the shared connection has been doing.
#[derive(Default)]
struct Health {
    /// Errors since the last answer.
    failures: u32,
    replaced: Option<Instant>,
}

/// Whether the connection failed, rather than the command.
fn is_broken(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Protocol)
}

fn client(url: &str) -> Result<Client, Error> {
    let mut config = Config::from_url(url)?;
    // Fail-fast would end the connection task for ever if Redis is not there at the start.
    config.fail_fast = false;
    let client = Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_secs(2);
            connection.internal_command_timeout = Duration::from_secs(2);
            // A command repeated by the library could take effect twice.
            connection.max_command_attempts = 1;
            // Reconnecting at the library's own pace would be a hot loop while Redis answers with errors: see `recover`.
            connection.reconnect_errors = Vec::new();
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
            connection.unresponsive = UnresponsiveConfig {
                max_timeout: Some(Duration::from_secs(5)),
                interval: Duration::from_secs(1),
            };
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_TIMEOUT;
        })
        .set_policy(policy())
        .build()?;
    Ok(client)
}

/// When a connection is tried: soon, since the library waits before the first time too, and then ever more seldom.
fn policy() -> ReconnectPolicy {
    let mut policy = ReconnectPolicy::new_exponential(0, 10, 2_000, 10);
    policy.set_jitter(20);
    policy
}

/// Replaces a connection that has failed. After a time-out it may still hold a read that nobody waits for, and after an error
/// such as `READONLY` or `NOAUTH` another connection may reach another server, or be let in.
pub(crate) async fn recover(client: &Client, error: &Error) {
    // A task that took over runs until the client is closed.
    drop(replaced(client, error).await);
}

/// Replaces the connection, and also the task behind it if that does not answer: in a cluster it can end over a redirection,
/// and nothing that is asked of the client is ever answered again. Returns the new task.
async fn replaced(client: &Client, error: &Error) -> Option<ConnectHandle> {
    let by_this_server =
        ["READONLY", "MASTERDOWN", "NOAUTH", "WRONGPASS", "NOPERM", "CLUSTERDOWN", "MOVED"];
    let may_help =
        is_broken(error) || by_this_server.iter().any(|word| error.details().starts_with(word));
    // While it is down, the library replaces it by itself; asking again would only replace the replacement.
    if !may_help || !client.is_connected() {
        return None;
    }
    match tokio::time::timeout(RECOVERY, client.force_reconnection()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::debug!(error = chain(&error), "redis connection not replaced");
            None
        }
        Err(elapsed) => {
            tracing::debug!(error = chain(&elapsed), "redis connection not yet replaced");
            client.is_clustered().then(|| client.connect())
        }
    }
}

/// How often the library may send a command. Once, since after a lost answer it could take effect twice. In a cluster it has
/// to follow a key that moves: once to where it was, once to where it is said to be, once to where it is. What this crate
/// sends does no harm when it is repeated: scripts compare, positions and acknowledgements are absolute, and entries that a
/// repeated read skips are missed and read again from the watermark.
fn attempts(client: &Client) -> u32 {
    if client.is_clustered() { 3 } else { 1 }
}

/// Ends the connection and its background task.
pub(crate) async fn close(client: &Client) {
    match tokio::time::timeout(RECOVERY, client.quit()).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::debug!(error = chain(&error), "redis connection not closed"),
        Err(elapsed) => tracing::debug!(error = chain(&elapsed), "redis connection not closed"),
    }
}

/// The client, for one command that the library repeats only to follow a key in a cluster.
pub(crate) fn once(client: &Client) -> WithOptions<Client> {
    client.with_options(&Options {
        max_attempts: Some(attempts(client)),
        fail_fast: false,
        timeout: Some(COMMAND_TIMEOUT),
        ..Options::default()
    })
}

/// The client, for one blocking read: it answers after [`BLOCK`], or the connection is dead.
pub(crate) fn blocking(client: &Client) -> WithOptions<Client> {
    client.with_options(&Options {
        max_attempts: Some(attempts(client)),
        fail_fast: false,
        timeout: Some(BLOCK + Duration::from_millis(1_500)),
        ..Options::default()
    })
}

/// A pause after the `failures`-th failure in a row: 100 ms doubled each time up to 5 s, half of it random.
pub(crate) fn backoff(failures: u32) -> Duration {
    let ceiling = 100u64.saturating_mul(1 << failures.min(6)).min(5_000);
    Duration::from_millis(ceiling / 2) + Duration::from_millis(ceiling / 2).mul_f64(random())
}

/// A number from 0 to 1, any as likely as another.
pub(crate) fn random() -> f64 {
    // Random bits without a generator of our own: the first half of a fresh id's first 64 bits.
    #[expect(clippy::disallowed_methods, reason = "used for its random bits alone")]
    let bits = uuid::Uuid::new_v4().as_fields().0;
    f64::from(bits) / f64::from(u32::MAX)
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
