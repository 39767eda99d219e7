//! What needs the service's own handlers: an operator writes a request, a running process of the service takes it up.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, TransactionTrait, raw_sql};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{CommandError, Order, Site, actions};
use crate::{
    EventStore, Runtime, error::chain, rebuild::Progress, runtime::OperatorError, store::to_bigint,
};

/// How often a process looks for requests.
const POLL: Duration = Duration::from_secs(1);

/// How often the process that works on one says so.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// After how long without a word another process begins again.
const SILENCE: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// To make a read model anew.
    Rebuild,
    /// To compare a read model with what the events say.
    Audit,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Audit => "audit",
        }
    }
}

/// A request, and what has become of it.
#[derive(Clone, Debug, PartialEq, FromQueryResult, Serialize)]
pub struct Request {
    /// Rising.
    pub id: i64,
    /// `rebuild` or `audit`.
    pub kind: String,
    /// The read model: a category of the service's own, or a consumer group.
    pub name: String,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// Events done.
    pub done: i64,
    /// Events to be done, if that is known.
    pub total: Option<i64>,
    /// What came of it; `{"error": …}` when it failed.
    pub result: Option<Value>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Request {
    /// Whether there is nothing more to wait for.
    pub fn is_over(&self) -> bool {
        !matches!(self.state.as_str(), "waiting" | "running")
    }
}

/// Asks the service's processes for something, or finds the same request that is still open. `None` for a rehearsal.
///
/// # Errors
///
/// [`CommandError`] if the database fails.
pub async fn ask(
    site: &Site,
    order: &Order,
    kind: Kind,
    name: &str,
) -> Result<Option<Request>, CommandError> {
    if order.dry_run {
        return Ok(None);
    }
    let kind = kind.as_str();
    let txn = site.db.begin().await?;
    let made = txn
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO maintenance_request (kind, name) VALUES ({kind}, {name})
               ON CONFLICT (kind, name) WHERE state IN ('waiting', 'running') DO NOTHING"
        ))
        .await?;
    if made.rows_affected() > 0 {
        actions::record(&txn, order, kind, json!({ "name": name })).await?;
    }
    let request = Request::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, kind, name, state, done, total, result, requested_at, finished_at FROM maintenance_request
           WHERE kind = {kind} AND name = {name} ORDER BY id DESC LIMIT 1"
    ))
    .one(&txn)
    .await?;
    txn.commit().await?;
    Ok(request)
}

/// Looks at a request.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn get(site: &Site, id: i64) -> Result<Option<Request>, DbErr> {
    Request::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, kind, name, state, done, total, result, requested_at, finished_at FROM maintenance_request
           WHERE id = {id}"
    ))
    .one(&site.db)
    .await
}

/// The latest requests, newest first, at most `limit`.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site, limit: i64) -> Result<Vec<Request>, DbErr> {
    Request::find_by_statement(raw_sql!(
        Postgres,
        "SELECT id, kind, name, state, done, total, result, requested_at, finished_at FROM maintenance_request
           ORDER BY id DESC LIMIT {limit}"
    ))
    .all(&site.db)
    .await
}

/// Gives a request up. A process that works on it stops within seconds, and what it had not committed is undone.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn cancel(site: &Site, order: &Order, id: i64) -> Result<bool, DbErr> {
    let txn = site.db.begin().await?;
    actions::record(&txn, order, "cancel", json!({ "request": id })).await?;
    let cancelled = txn
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE maintenance_request SET state = 'cancelled', finished_at = now()
               WHERE id = {id} AND state IN ('waiting', 'running')"
        ))
        .await?;
    let is_cancelled = cancelled.rows_affected() > 0;
    if is_cancelled && !order.dry_run {
        txn.commit().await?;
    } else {
        txn.rollback().await?;
    }
    Ok(is_cancelled)
}

#[derive(FromQueryResult)]
struct Taken {
    id: i64,
    kind: String,
    name: String,
}

/// Takes up requests, one at a time, until told to stop.
pub(crate) async fn work(runtime: Runtime, shutdown: CancellationToken) {
    #[expect(clippy::disallowed_methods, reason = "names this worker; nothing is ordered by it")]
    let worker = Uuid::new_v4();
    let mut failing = false;
    while !shutdown.is_cancelled() {
        match take(runtime.store(), worker).await {
            Ok(Some(request)) => {
                failing = false;
                if let Err(error) = carry_out(&runtime, worker, &request, &shutdown).await {
                    // Its heartbeat ends, and somebody begins again.
                    tracing::warn!(
                        request = request.id,
                        error = chain(&error),
                        "request interrupted"
                    );
                }
                continue;
            }
            Ok(None) => failing = false,
            Err(error) => {
                if !failing {
                    tracing::warn!(error = chain(&error), "requests of operators cannot be read");
                }
                failing = true;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(POLL) => (),
        }
    }
}

/// The oldest request that nobody works on.
async fn take(store: &EventStore, worker: Uuid) -> Result<Option<Taken>, DbErr> {
    let silence = SILENCE.as_secs_f64();
    Taken::find_by_statement(raw_sql!(
        Postgres,
        "UPDATE maintenance_request SET state = 'running', worker = {worker}, heartbeat_at = now(), done = 0
           WHERE id = (SELECT id FROM maintenance_request
                         WHERE state = 'waiting'
                            OR (state = 'running' AND heartbeat_at < now() - make_interval(secs => {silence}))
                         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
           RETURNING id, kind, name"
    ))
    .one(store.db())
    .await
}

/// Does what is asked while saying so, and writes down what came of it. Stops when the request is cancelled or the process ends.
async fn carry_out(
    runtime: &Runtime,
    worker: Uuid,
    request: &Taken,
    shutdown: &CancellationToken,
) -> Result<(), DbErr> {
    let Taken { id, kind, name } = request;
    tracing::info!(request = id, kind, name, "operator's request taken up");
    let (progress, seen) = watch::channel(Progress::default());
    // Side by side: the work may hold the tables for which everybody waits who has a connection, and so a beat too.
    let outcome = tokio::select! {
        outcome = perform(runtime, kind, name, &progress) => outcome,
        // By now the work is dropped, and holds no locks.
        () = shutdown.cancelled() => return give_back(runtime.store(), worker, *id).await,
        lost = beats(runtime.store(), worker, *id, &seen) => return lost,
    };
    let (state, result) = match outcome {
        Ok(result) => ("done", result),
        Err(error) => {
            tracing::error!(request = id, kind, name, error = chain(&error), "request failed");
            ("failed", json!({ "error": chain(&error) }))
        }
    };
    runtime
        .store()
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE maintenance_request SET state = {state}, result = {result}, finished_at = now()
               WHERE id = {id} AND worker = {worker} AND state = 'running'"
        ))
        .await?;
    Ok(())
}

async fn perform(
    runtime: &Runtime,
    kind: &str,
    name: &str,
    progress: &watch::Sender<Progress>,
) -> Result<Value, OperatorError> {
    let json = |error: serde_json::Error| DbErr::Json(error.to_string());
    if kind == Kind::Audit.as_str() {
        let report = runtime.audit(name).await?;
        let differences = report.drift_rows();
        return Ok(json!({
            "differences": differences, "report": serde_json::to_value(report).map_err(json)?,
        }));
    }
    let rebuilt = runtime.rebuild_watched(name, progress).await?;
    Ok(serde_json::to_value(rebuilt).map_err(json)?)
}

/// Says every second how far the work is. Ends when the request is no longer this worker's, or when nothing could be said for
/// so long that it may be another's.
async fn beats(
    store: &EventStore,
    worker: Uuid,
    id: i64,
    seen: &watch::Receiver<Progress>,
) -> Result<(), DbErr> {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let now = *seen.borrow();
        match beat(store, worker, id, now).await {
            Ok(true) => last = Instant::now(),
            Ok(false) => {
                tracing::info!(request = id, "request cancelled");
                return Ok(());
            }
            Err(error) if last.elapsed() > SILENCE => return Err(error),
            Err(error) => {
                tracing::debug!(request = id, error = chain(&error), "heartbeat failed");
            }
        }
    }
}

/// Says how far the work is; returns whether the request is still this worker's.
async fn beat(
    store: &EventStore,
    worker: Uuid,
    id: i64,
    Progress { done, total, .. }: Progress,
) -> Result<bool, DbErr> {
    let (done, total) = (to_bigint(done), Some(to_bigint(total)).filter(|total| *total > 0));
    let beat = store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE maintenance_request SET heartbeat_at = now(), done = {done}, total = {total}
               WHERE id = {id} AND worker = {worker} AND state = 'running'"
        ))
        .await?;
    Ok(beat.rows_affected() > 0)
}

/// Lets another process begin it at once.
async fn give_back(store: &EventStore, worker: Uuid, id: i64) -> Result<(), DbErr> {
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE maintenance_request SET state = 'waiting', worker = NULL, heartbeat_at = NULL
               WHERE id = {id} AND worker = {worker} AND state = 'running'"
        ))
        .await?;
    Ok(())
}
