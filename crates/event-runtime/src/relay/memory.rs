//! The server under the streams: whether it has room, whether it forgets, and whether it would survive.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    error::Error,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand},
};
use metrics::gauge;
use tokio::sync::Notify;

use crate::{RuntimeError, redis::once};

/// A relay pauses when this many hundredths of Redis's memory are in use: consumers need some to tell how far they are.
const HIGH: u64 = 80;

/// It goes on at this many, so that it does not pause again at once.
const LOW: u64 = 75;

/// How old an answer about memory may be, if little was written since.
const FRESH: Duration = Duration::from_millis(250);

/// Bytes that a byte of an event takes at most, once the stream's nodes and the buffers on the way are counted.
const OVERHEAD: u64 = 3;

/// What the server says of itself (`INFO`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RedisServer {
    /// Bytes in use.
    pub(crate) used: u64,
    /// Bytes that may be; 0 for no limit.
    pub(crate) limit: u64,
    /// What happens at the limit, such as `noeviction`.
    pub(crate) policy: String,
    /// Whether what it knows is written to an append-only file.
    pub(crate) is_logged: bool,
}

impl RedisServer {
    /// Asks the server.
    ///
    /// # Errors
    ///
    /// If it does not answer, or does not let us ask.
    pub(crate) async fn ask(redis: &Client) -> Result<Self, Error> {
        let command = CustomCommand::new_static("INFO", ClusterHash::Random, false);
        let words = vec!["memory".to_owned(), "persistence".to_owned()];
        let info: String = once(redis).custom(command, words).await?;
        Ok(Self::parse(&info))
    }

    fn parse(info: &str) -> Self {
        let mut server = Self::default();
        for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
            match name {
                "used_memory" => server.used = value.parse().unwrap_or(0),
                "maxmemory" => server.limit = value.parse().unwrap_or(0),
                "maxmemory_policy" => value.clone_into(&mut server.policy),
                "aof_enabled" => server.is_logged = value == "1",
                _ => (),
            }
        }
        server
    }

    /// Whether it removes any key it likes when memory is short: streams, and consumers' places in them.
    pub(crate) fn evicts(&self) -> bool {
        self.policy.starts_with("allkeys-")
    }

    /// Refuses a server that would lose events at random.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Evicts`].
    pub(crate) fn acceptable(&self) -> Result<(), RuntimeError> {
        if self.evicts() {
            return Err(RuntimeError::Evicts { policy: self.policy.clone() });
        }
        Ok(())
    }

    /// Bytes until the relay pauses; none left at that point, and no end of them without a limit.
    fn room(&self) -> u64 {
        if self.limit == 0 {
            return u64::MAX;
        }
        (self.limit / 100 * HIGH).saturating_sub(self.used)
    }

    /// Whether so many hundredths of its memory are in use.
    fn is_filled_to(&self, hundredths: u64) -> bool {
        self.limit > 0
            && u128::from(self.used) * 100 > u128::from(self.limit) * u128::from(hundredths)
    }
}

/// Whether Redis runs out of memory: found out by the relay, acted on by the trimmer.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    is_high: AtomicBool,
    risen: Notify,
}

impl Pressure {
    pub(crate) fn is_high(&self) -> bool {
        self.is_high.load(Ordering::Relaxed)
    }

    /// Ends when the pressure has become high.
    pub(crate) async fn rises(&self) {
        self.risen.notified().await;
    }

    /// Notes what a server says. Returns whether that is a change.
    fn note(&self, server: &RedisServer) -> bool {
        let was = self.is_high();
        let now = server.is_filled_to(if was { LOW } else { HIGH });
        self.set(now);
        was != now
    }

    fn set(&self, is_high: bool) {
        let was = self.is_high.swap(is_high, Ordering::Relaxed);
        if is_high && !was {
            self.risen.notify_one();
        }
    }
}

/// Watches the server for one relay.
#[derive(Debug, Default)]
pub(super) struct Guard {
    asked: Option<Instant>,
    server: Option<RedisServer>,
    /// Bytes of events written since it was asked.
    written: u64,
}

impl Guard {
    /// Notes that so many bytes of events were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes as u64);
    }

    /// Whether the last answer still holds: it is young, and what was written since cannot have taken half of the room.
    fn knows(&self) -> bool {
        let room = self.server.as_ref().map_or(u64::MAX, RedisServer::room);
        self.asked.is_some_and(|asked| asked.elapsed() < FRESH)
            && self.written.saturating_mul(OVERHEAD) < room / 2
    }

    /// Whether there is room to publish, asking only when the last answer is worth no more. A server that does not let us ask
    /// has room, until it refuses a batch.
    pub(super) async fn has_room(
        &mut self,
        redis: &Client,
        pressure: &Pressure,
    ) -> Result<bool, RuntimeError> {
        // Under pressure the room is none whatever was written, and asking more often would not make any.
        let is_recent = self.asked.is_some_and(|asked| asked.elapsed() < FRESH);
        if self.knows() || is_recent && pressure.is_high() {
            return Ok(!pressure.is_high());
        }
        let server = match RedisServer::ask(redis).await {
            Ok(server) => server,
            Err(error) if error.details().starts_with("NOPERM") => RedisServer::default(),
            Err(error) => return Err(error.into()),
        };
        self.asked = Some(Instant::now());
        self.written = 0;
        if pressure.note(&server) {
            if pressure.is_high() {
                tracing::warn!(
                    used = server.used,
                    limit = server.limit,
                    "redis runs out of memory; events wait in the store"
                );
            } else {
                tracing::info!(used = server.used, limit = server.limit, "redis has room again");
            }
        }
        paused(pressure);
        self.judge(server);
        Ok(!pressure.is_high())
    }

    /// Notes that Redis had no room for a batch, whatever it says of itself.
    pub(super) fn refused(&mut self, pressure: &Pressure) {
        if !pressure.is_high() {
            tracing::warn!("redis is out of memory; events wait in the store");
        }
        pressure.set(true);
        paused(pressure);
        self.asked = Some(Instant::now());
    }

    /// Says once what is wrong with the server, and in figures always.
    fn judge(&mut self, server: RedisServer) {
        let degraded = |reason: &'static str, is_so: bool| {
            gauge!("events_redis_degraded", "reason" => reason).set(if is_so { 1.0 } else { 0.0 });
        };
        degraded("evicts", server.evicts());
        degraded("not_logged", !server.is_logged && !server.policy.is_empty());
        let before = self.server.as_ref();
        if server.evicts() && before.is_none_or(|before| before.policy != server.policy) {
            tracing::error!(
                policy = server.policy,
                "redis removes streams when its memory is short; do `CONFIG SET maxmemory-policy noeviction`"
            );
        }
        if !server.is_logged
            && !server.policy.is_empty()
            && before.is_none_or(|before| before.is_logged)
        {
            tracing::warn!(
                "redis keeps no append-only file: after a restart all streams are written again; do `CONFIG SET appendonly yes`"
            );
        }
        self.server = Some(server);
    }
}

fn paused(pressure: &Pressure) {
    let value = if pressure.is_high() { 1.0 } else { 0.0 };
    gauge!("events_relay_paused", "reason" => "memory").set(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(used: u64, limit: u64) -> RedisServer {
        RedisServer { used, limit, ..RedisServer::default() }
    }

    #[test]
    fn a_relay_pauses_above_four_fifths_and_goes_on_at_three_quarters() {
        let pressure = Pressure::default();
        for (used, is_high) in [(80, false), (81, true), (76, true), (75, false), (80, false)] {
            pressure.note(&filled(used, 100));

            assert_eq!(pressure.is_high(), is_high, "{used}");
        }
    }

    #[test]
    fn an_answer_is_worth_no_more_when_half_of_the_room_may_be_taken() {
        let server = filled(60_000, 100_000);
        let mut guard =
            Guard { asked: Some(Instant::now()), server: Some(server), ..Guard::default() };
        assert!(guard.knows());

        // 20,000 bytes were left below four fifths.
        guard.wrote(3_000);
        assert!(guard.knows());
        guard.wrote(400);

        assert!(!guard.knows());
    }

    #[test]
    fn a_server_without_a_limit_is_never_full() {
        let pressure = Pressure::default();

        pressure.note(&filled(u64::MAX, 0));

        assert!(!pressure.is_high());
    }

    #[test]
    fn what_the_server_says_is_understood() {
        let info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:4194304\r\n\
                    maxmemory_policy:allkeys-lru\r\n\r\n# Persistence\r\naof_enabled:1\r\n";

        let server = RedisServer::parse(info);

        assert_eq!((server.used, server.limit, server.is_logged), (1_048_576, 4_194_304, true));
        assert!(
            matches!(server.acceptable(), Err(RuntimeError::Evicts { policy }) if policy == "allkeys-lru")
        );
        for policy in ["noeviction", "volatile-ttl", "volatile-lru", ""] {
            assert!(
                RedisServer { policy: policy.to_owned(), ..server.clone() }.acceptable().is_ok()
            );
        }
    }
}
