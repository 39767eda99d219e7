//! Waiting for a condition with a deadline.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(5);

/// Looks at `condition` until it gives a value.
///
/// # Errors
///
/// The condition's own error at once; after `limit`, one that says what was waited for.
pub(crate) async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {} s", limit.as_secs_f32());
        }
        tokio::time::sleep(STEP).await;
    }
}
