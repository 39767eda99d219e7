//! Durable jobs: what touches the outside world, one step at a time, after the commit that asked for it.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use metrics::counter;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    EventStore,
    error::{chain, panic_text},
    heartbeat,
    park::without_nul,
    redis::backoff,
};

/// How often a worker looks for jobs that other processes asked for, or whose pause is over.
const POLL: Duration = Duration::from_secs(1);

/// What is said of a job whose last attempt did not say how it ended.
const UNHEARD: &str = "no attempt is left, and the last one ended with its process";

/// One piece of work.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Job {
    /// The row.
    pub id: i64,
    /// What identifies the work to the outside world: repeated with every attempt, so that a receiver can recognise it.
    pub key: String,
    /// What [`UnitOfWork::enqueue`](crate::UnitOfWork::enqueue) was given.
    pub payload: Value,
    /// This attempt, from 1.
    pub attempts: i32,
}

/// What one attempt came to.
#[derive(Debug)]
pub enum JobOutcome {
    /// It is done; the payload is forgotten.
    Done,
    /// It may succeed later.
    Retry(Box<dyn std::error::Error + Send + Sync>),
    /// It never will.
    Fail(Box<dyn std::error::Error + Send + Sync>),
}

/// Does the jobs of one kind.
#[async_trait]
pub trait JobWorker: Send + Sync + 'static {
    /// The kind, as in [`UnitOfWork::enqueue`](crate::UnitOfWork::enqueue).
    fn kind(&self) -> &'static str;

    /// After how many attempts a job that could be retried fails for good. One that was killed in the middle is an attempt.
    fn max_attempts(&self) -> i32 {
        10
    }

    /// How long a job belongs to the worker that took it, unless renewed: a killed worker delays it by that much. It is
    /// renewed three times as often while the work goes on, however long that takes.
    fn claim(&self) -> Duration {
        Duration::from_mins(1)
    }

    /// Does the work once. It may have been done before, by an attempt that was killed before it could say so.
    async fn run(&self, job: &Job) -> JobOutcome;

    /// How many jobs are taken at once, from 1. An attempt of one of them that ends the process is an attempt of all.
    fn at_once(&self) -> u16 {
        1
    }

    /// Does several jobs together, where somebody has written how: `true` if all of them are done. If not, as ever without that,
    /// each of them is run by itself; so nothing of it may be done in a way that [`run`](Self::run) does not expect.
    async fn run_together(&self, _: &[Job]) -> bool {
        false
    }
}

/// Runs the jobs of one kind until told to stop.
pub(crate) async fn work(
    store: EventStore,
    worker: Arc<dyn JobWorker>,
    shutdown: CancellationToken,
) {
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        // Registered before the look, so that a commit in between is not missed.
        let committed = store.jobs_committed().notified();
        let pause = match step(&store, &*worker).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => {
                failures = 0;
                POLL
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(
                        error = chain(&error),
                        job.kind = worker.kind(),
                        "jobs cannot be taken"
                    );
                }
                backoff(failures)
            }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = committed, if failures == 0 => (),
            () = tokio::time::sleep(pause) => (),
        }
    }
}

/// Takes due jobs, does them, records the outcomes. `false` if none is due.
async fn step(store: &EventStore, worker: &dyn JobWorker) -> Result<bool, DbErr> {
    let jobs = claim(store, worker).await?;
    if jobs.is_empty() {
        return Ok(false);
    }
    // A job that ends its process is never heard of again: the attempts are all there is to tell it by.
    let (unheard, jobs): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().partition(|job| job.attempts > worker.max_attempts());
    for job in &unheard {
        counter!("jobs_failed_total", "kind" => worker.kind()).increment(1);
        tracing::error!(job.kind = worker.kind(), job.id, job.attempts, "job failed unheard");
        finish(store, worker, job, "failed", Some(UNHEARD)).await?;
    }
    if jobs.len() > 1 {
        let together = AssertUnwindSafe(worker.run_together(&jobs)).catch_unwind();
        // One that panics has a bug with one of them: which one shows when each is run by itself.
        if while_kept(store, worker, &jobs, together).await.unwrap_or(false) {
            finish_all(store, worker, &jobs).await?;
            return Ok(true);
        }
    }
    let mut waiting = jobs.as_slice();
    while let [job, behind @ ..] = waiting {
        let run = AssertUnwindSafe(worker.run(job)).catch_unwind();
        let ran = while_kept(store, worker, waiting, run).await;
        settle(store, worker, job, ran).await?;
        waiting = behind;
    }
    Ok(true)
}

/// Does something while jobs stay this worker's.
async fn while_kept<T: Send>(
    store: &EventStore,
    worker: &dyn JobWorker,
    jobs: &[Job],
    work: impl Future<Output = T> + Send,
) -> T {
    heartbeat::beside(work, worker.claim() / 3, || async {
        for job in jobs {
            renew(store, worker, job).await;
        }
    })
    .await
}

/// Records what became of a job.
async fn settle(
    store: &EventStore,
    worker: &dyn JobWorker,
    job: &Job,
    ran: Result<JobOutcome, Box<dyn Any + Send>>,
) -> Result<(), DbErr> {
    let outcome = ran.unwrap_or_else(|panic| {
        JobOutcome::Retry(format!("the worker panicked: {}", panic_text(&*panic)).into())
    });
    match outcome {
        JobOutcome::Done => finish(store, worker, job, "done", None).await?,
        JobOutcome::Retry(error) if job.attempts < worker.max_attempts() => {
            tracing::info!(
                job.kind = worker.kind(),
                job.id,
                job.attempts,
                error = chain(&*error),
                "job will be tried again"
            );
            postpone(store, worker, job, &without_nul(&chain(&*error))).await?;
        }
        JobOutcome::Retry(error) | JobOutcome::Fail(error) => {
            counter!("jobs_failed_total", "kind" => worker.kind()).increment(1);
            tracing::error!(
                job.kind = worker.kind(),
                job.id,
                job.attempts,
                error = chain(&*error),
                "job failed"
            );
            let why = without_nul(&chain(&*error));
            finish(store, worker, job, "failed", Some(&why)).await?;
        }
    }
    Ok(())
}

async fn claim(store: &EventStore, worker: &dyn JobWorker) -> Result<Vec<Job>, DbErr> {
    let (kind, seconds) = (worker.kind(), worker.claim().as_secs_f64());
    let limit = i64::from(worker.at_once().max(1));
    let txn = store.db().begin().await?;
    // Materialised: looked up again for each row, the due ones would be others each time.
    let jobs = Job::find_by_statement(raw_sql!(
        Postgres,
        "WITH due AS MATERIALIZED (
           SELECT id FROM job WHERE kind = {kind} AND state = 'ready' AND run_at <= now()
             ORDER BY run_at LIMIT {limit} FOR UPDATE SKIP LOCKED)
         UPDATE job SET attempts = attempts + 1, run_at = now() + make_interval(secs => {seconds})
           FROM due WHERE job.id = due.id
           RETURNING job.id, key, payload, attempts"
    ))
    .all(&txn)
    .await?;
    txn.commit().await?;
    Ok(jobs)
}

/// Keeps a job that is being worked on. The number of the attempt says whose it is.
async fn renew(store: &EventStore, worker: &dyn JobWorker, job: &Job) {
    let (seconds, id, attempts) = (worker.claim().as_secs_f64(), job.id, job.attempts);
    let renewed = store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE job SET run_at = now() + make_interval(secs => {seconds})
               WHERE id = {id} AND attempts = {attempts} AND state = 'ready'"
        ))
        .await;
    match renewed {
        Ok(done) if done.rows_affected() == 1 => (),
        Ok(_) => lost(worker, job),
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                job.kind = worker.kind(),
                job.id,
                "job not renewed"
            );
        }
    }
}

/// Somebody else has taken the job, since this worker did not renew it in time. What comes of it here counts no more.
fn lost(worker: &dyn JobWorker, job: &Job) {
    counter!("jobs_lost_total", "kind" => worker.kind()).increment(1);
    tracing::warn!(job.kind = worker.kind(), job.id, job.attempts, "job belongs to another worker");
}

/// Ends a job, if it is still this worker's. What it was about is forgotten when it succeeded, since it may be about a person.
async fn finish(
    store: &EventStore,
    worker: &dyn JobWorker,
    job: &Job,
    state: &str,
    error: Option<&str>,
) -> Result<(), DbErr> {
    let (id, attempts) = (job.id, job.attempts);
    let finished = store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE job SET state = {state}, last_error = {error},
                            payload = CASE WHEN {state} = 'done' THEN jsonb_build_object() ELSE payload END
               WHERE id = {id} AND attempts = {attempts} AND state = 'ready'"
        ))
        .await?;
    if finished.rows_affected() == 0 {
        lost(worker, job);
    }
    Ok(())
}

/// Ends jobs that were done together, those of them that are still this worker's.
async fn finish_all(store: &EventStore, worker: &dyn JobWorker, jobs: &[Job]) -> Result<(), DbErr> {
    #[derive(FromQueryResult)]
    struct Finished {
        id: i64,
    }
    let rows = jobs.iter().map(|job| json!({ "id": job.id, "attempts": job.attempts }));
    let rows = Value::Array(rows.collect());
    let finished = Finished::find_by_statement(raw_sql!(
        Postgres,
        "UPDATE job SET state = 'done', last_error = NULL, payload = jsonb_build_object()
           FROM jsonb_to_recordset({rows}) AS row (id bigint, attempts integer)
           WHERE job.id = row.id AND job.attempts = row.attempts AND job.state = 'ready'
           RETURNING job.id"
    ))
    .all(store.db())
    .await?;
    for job in jobs.iter().filter(|job| finished.iter().all(|done| done.id != job.id)) {
        lost(worker, job);
    }
    Ok(())
}

/// Puts a job off, if it is still this worker's: 2 s doubled with each attempt, up to an hour.
async fn postpone(
    store: &EventStore,
    worker: &dyn JobWorker,
    job: &Job,
    error: &str,
) -> Result<(), DbErr> {
    let (id, attempts) = (job.id, job.attempts);
    let seconds = 2_i32.saturating_pow(u32::try_from(attempts).unwrap_or(1).min(12)).min(3_600);
    let postponed = store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE job SET run_at = now() + make_interval(secs => {seconds}), last_error = {error}
               WHERE id = {id} AND attempts = {attempts} AND state = 'ready'"
        ))
        .await?;
    if postponed.rows_affected() == 0 {
        lost(worker, job);
    }
    Ok(())
}
