//! Periodic work: forgetting what is old, ending what is overdue. Each sweep is done by one replica at a time.

use std::sync::Arc;

use async_trait::async_trait;
use event_runtime::error::chain;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait, raw_sql,
};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// One kind of periodic work.
#[async_trait]
pub trait Sweep: Send + Sync + 'static {
    /// A name that is unique in the service.
    fn name(&self) -> &'static str;

    /// When: seconds, minutes, hours, day of month, month, day of week (UTC), such as `0 */5 * * * *`.
    fn schedule(&self) -> &'static str;

    /// Does it, in one transaction, and returns how many rows it concerned.
    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr>;
}

/// Forgets the answers to requests whose keys are a day old.
pub(crate) struct ForgetIdempotencyKeys;

#[async_trait]
impl Sweep for ForgetIdempotencyKeys {
    fn name(&self) -> &'static str {
        "forget_idempotency_keys"
    }

    fn schedule(&self) -> &'static str {
        "0 7 * * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let swept = txn
            .execute_raw(raw_sql!(
                Postgres,
                "DELETE FROM idempotency_key WHERE created_at < now() - interval '24 hours'"
            ))
            .await?;
        Ok(swept.rows_affected())
    }
}

/// Forgets jobs that were done a week ago. Failed ones stay until somebody looks at them.
pub(crate) struct ForgetDoneJobs;

#[async_trait]
impl Sweep for ForgetDoneJobs {
    fn name(&self) -> &'static str {
        "forget_done_jobs"
    }

    fn schedule(&self) -> &'static str {
        "0 17 3 * * *"
    }

    async fn sweep(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let swept = txn
            .execute_raw(raw_sql!(
                Postgres,
                "DELETE FROM job WHERE state = 'done' AND created_at < now() - interval '7 days'"
            ))
            .await?;
        Ok(swept.rows_affected())
    }
}

/// Schedules sweeps; they run until the scheduler is shut down.
///
/// # Errors
///
/// [`JobSchedulerError`] if a schedule does not parse.
pub(crate) async fn schedule(
    db: &DatabaseConnection,
    sweeps: Vec<Arc<dyn Sweep>>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for sweep in sweeps {
        let db = db.clone();
        let job = Job::new_async(sweep.schedule(), move |_, _| {
            let (db, sweep) = (db.clone(), Arc::clone(&sweep));
            Box::pin(async move {
                match once(&db, &*sweep).await {
                    Ok(Some(rows)) => tracing::info!(sweep = sweep.name(), rows, "swept"),
                    Ok(None) => tracing::debug!(sweep = sweep.name(), "another replica sweeps"),
                    Err(error) => {
                        tracing::warn!(sweep = sweep.name(), error = chain(&error), "sweep failed");
                    }
                }
            })
        })?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

/// Does a sweep unless another replica is at it; `None` if one is.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn once(db: &DatabaseConnection, sweep: &dyn Sweep) -> Result<Option<u64>, DbErr> {
    let txn = db.begin().await?;
    let name = sweep.name();
    let taken = txn
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT 1 AS taken
               WHERE pg_try_advisory_xact_lock(hashtext('peerlink.sweep.' || current_schema() || '.' || {name}))"
        ))
        .await?;
    if taken.is_none() {
        return Ok(None);
    }
    let rows = sweep.sweep(&txn).await?;
    txn.commit().await?;
    Ok(Some(rows))
}
