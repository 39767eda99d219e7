//! Faults: processes killed without warning and started again, in an order that a seed repeats.

use std::time::Duration;

use anyhow::{Context, Result};
use local_stack::stack::Stack;
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
