//! Faults: processes killed without warning and started again, in an order that a seed repeats.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use local_stack::{process::Signal, stack::Stack};
use sea_orm::{ConnectionTrait as _, Database, raw_sql};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What can be killed: every service, and Redis.
const VICTIMS: [&str; 8] =
    ["auth", "post", "interaction", "moderation", "engagement", "minting", "gateway", "redis"];

/// What was done to a stack.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Victims in order.
    pub killed: Vec<&'static str>,
    /// How often all of Redis was forgotten.
    pub flushed: usize,
}

/// Kills something every `pause` on average, waits until it is back, and goes on until told to stop.
///
/// # Errors
///
/// If something that was killed does not come back.
pub async fn kill_at_random(
    stack: &Stack,
    seed: u64,
    pause: Duration,
    stop: CancellationToken,
) -> Result<Report> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut report = Report::default();
    while !stop.is_cancelled() {
        let wait = pause.mul_f64(0.5 + random.f64());
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => (),
        }
        let victim = random.choice(VICTIMS).context("there is somebody")?;
        report.killed.push(victim);
        if victim == "redis" {
            stack.kill_redis().await?;
            stack.restart_redis().await.context("redis does not come back")?;
        } else {
            stack.kill_service(victim).await?;
            stack
                .restart_service(victim)
                .await
                .with_context(|| format!("{victim} does not come back"))?;
        }
    }
    Ok(report)
}

/// Makes Redis forget everything, data and groups, without a restart.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn flush(stack: &Stack) -> Result<()> {
    use fred::interfaces::ClientLike;

    let client = fred::types::Builder::from_config(fred::types::config::Config::from_url(
        stack.redis_admin_url(),
    )?)
    .build()?;
    let connection = client.init().await?;
    client.flushall::<()>(false).await?;
    client.quit().await?;
    connection.await??;
    Ok(())
}

/// How long a stopped process sleeps: longer than any lease lives.
const SLEEP: Duration = Duration::from_secs(5);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A service is killed (SIGKILL) and started again.
    Kill(&'static str),
    /// Redis is killed and started again.
    KillRedis,
    /// A service sleeps for five seconds (SIGSTOP, SIGCONT), and wakes up believing that it holds its leases.
    Sleep(&'static str),
    /// Redis forgets everything.
    Flush,
    /// PostgreSQL ends the connections of everybody.
    EndConnections,
}

impl Fault {
    /// What kind of fault it is, for a table.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill(_) => "service killed",
            Self::KillRedis => "redis killed",
            Self::Sleep(_) => "service stopped for 5 s",
            Self::Flush => "redis forgot everything",
            Self::EndConnections => "connections to postgresql ended",
        }
    }

    /// The next one of a seed: every kind as often as every other.
    fn draw(random: &mut fastrand::Rng) -> Self {
        // Redis is last, and has a fault of its own.
        let service = VICTIMS.get(random.usize(..VICTIMS.len() - 1)).copied().unwrap_or("post");
        match random.u8(..5) {
            0 => Self::Kill(service),
            1 => Self::KillRedis,
            2 => Self::Sleep(service),
            3 => Self::Flush,
            _ => Self::EndConnections,
        }
    }

    async fn happen(self, stack: &Stack) -> Result<()> {
        match self {
            Self::Kill(service) => {
                stack.kill_service(service).await?;
                stack.restart_service(service).await
            }
            Self::KillRedis => {
                stack.kill_redis().await?;
                stack.restart_redis().await
            }
            Self::Sleep(service) => {
                let processes = stack.processes().await;
                let process = processes.get(service).context("not running")?;
                process.signal(Signal::SIGSTOP)?;
                tokio::time::sleep(SLEEP).await;
                process.signal(Signal::SIGCONT)
            }
            Self::Flush => flush(stack).await,
            Self::EndConnections => end_connections(&stack.endpoints().postgres).await,
        }
    }
}

/// Lets something go wrong every `pause`, waits until what was killed is back, and goes on until told to stop. Returns how
/// often each kind happened.
///
/// # Errors
///
/// If something that was killed does not come back.
pub async fn every(
    stack: &Stack,
    seed: u64,
    pause: Duration,
    stop: CancellationToken,
) -> Result<BTreeMap<&'static str, usize>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut happened = BTreeMap::new();
    let mut next = Instant::now() + pause;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(happened),
            () = tokio::time::sleep_until(next) => (),
        }
        let fault = Fault::draw(&mut random);
        fault.happen(stack).await.with_context(|| format!("{fault:?}"))?;
        *happened.entry(fault.kind()).or_default() += 1;
        next = (next + pause).max(Instant::now());
    }
}

/// Ends every connection but this one, as a restart of the server or of a pooler would.
async fn end_connections(postgres: &str) -> Result<()> {
    let db = Database::connect(postgres).await?;
    db.execute_raw(raw_sql!(
        Postgres,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
    ))
    .await?;
    Ok(db.close().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_faults_and_brings_every_kind() {
        let faults = |seed| -> Vec<Fault> {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..100).map(|_| Fault::draw(&mut random)).collect()
        };

        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
        let kinds: std::collections::BTreeSet<_> = faults(7).into_iter().map(Fault::kind).collect();
        assert_eq!(kinds.len(), 5);
        assert!(!faults(7).contains(&Fault::Kill("redis")));
    }
}
