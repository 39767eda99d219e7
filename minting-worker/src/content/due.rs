//! Decides about content when its time has come. What is due is a row, so that a restart forgets nothing.

use std::time::Duration;

use event_runtime::{ApplyError, EventStore};
use sea_orm::DbErr;
use shared_schemas::envelope::Metadata;
use tokio_util::sync::CancellationToken;

use super::{decide::Decide, view};

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_millis(250);

/// How much of it is decided in one transaction.
const AT_ONCE: i64 = 100;

/// How long after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Decides until told to stop. Several processes share what is due.
pub async fn run(decide: Decide, store: EventStore, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let pause = match step(&decide, &store).await {
            Ok(true) => continue,
            Ok(false) => LOOK,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what is due for minting cannot be decided");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(pause) => (),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DueError {
    #[error("the database failed")]
    Storage(#[from] DbErr),
    #[error("the decision failed")]
    Decision(#[from] ApplyError),
}

/// Decides about some; `false` if nothing is due.
async fn step(decide: &Decide, store: &EventStore) -> Result<bool, DueError> {
    let work = store.begin().await?;
    let due = view::take_due(work.txn(), store.clock().now(), AT_ONCE).await?;
    if due.is_empty() {
        return Ok(false);
    }
    let known = view::hold_all(work.txn(), &due).await?;
    let causes = due.into_iter().map(|subject| (subject, Metadata::default())).collect();
    decide.decide(&work, known, causes).await?;
    work.commit().await?;
    Ok(true)
}
