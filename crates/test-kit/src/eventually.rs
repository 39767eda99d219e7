//! Waiting for a condition instead of for a while.

use std::{fmt::Debug, panic::Location, time::Duration};

use tokio::time::Instant;

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(10);

/// What one look at a condition gave: a value, or why there is none yet.
pub trait Outcome {
    /// What [`eventually`] returns.
    type Value;

    /// The value, or what a person should read when the time is over.
    ///
    /// # Errors
    ///
    /// Why there is no value yet.
    fn settle(self) -> Result<Self::Value, String>;
}

impl Outcome for bool {
    type Value = ();

    fn settle(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it is still false".to_owned()) }
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.ok_or_else(|| "it is still `None`".to_owned())
    }
}

impl<T, E: Debug> Outcome for Result<T, E> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Looks at a condition every 10 ms until it gives a value.
///
/// `probe` returns a `bool`, an `Option` or a `Result`. For a good message use a `Result` whose error says what was seen
/// instead, for example by `anyhow::ensure!(count == 3, "{count} rows")`.
///
/// # Panics
///
/// When there is no value within `limit`, with the last error and the line of the caller.
#[track_caller]
pub fn eventually<F, Fut>(
    limit: Duration,
    mut probe: F,
) -> impl Future<Output = <Fut::Output as Outcome>::Value>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Outcome>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        loop {
            // A look that hangs is no value either.
            let seen = match tokio::time::timeout(limit, probe()).await {
                Ok(outcome) => match outcome.settle() {
                    Ok(value) => return value,
                    Err(seen) => seen,
                },
                Err(hung) => hung.to_string(),
            };
            assert!(Instant::now() < deadline, "{caller}: not within {limit:?}: {seen}");
            tokio::time::sleep(STEP).await;
        }
    }
}
