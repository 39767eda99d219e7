//! Auditing in the background: every projection once per interval, by one process of the service.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::gauge;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use tokio_util::sync::CancellationToken;

use super::{AuditError, AuditReport, Pace, run};
use crate::{EventStore, error::chain, rebuild::Replayable};

/// Events per second that an audit in the background replays, at most.
const RATE: u32 = 2_000;

/// How often a process looks whether an audit is due, at most; short intervals are looked at ten times.
const LOOK: Duration = Duration::from_secs(30);

/// Audits one projection after another.
pub(crate) struct Auditor {
    pub(crate) store: EventStore,
    pub(crate) projections: Vec<Arc<dyn Replayable>>,
    /// How old an audit may become.
    pub(crate) interval: Duration,
}

#[derive(FromQueryResult)]
struct Due {
    yes: bool,
}

impl Auditor {
    /// Audits until told to stop.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let pause = (self.interval / 10).min(LOOK);
        let pace = Pace { rate: Some(RATE), stop: shutdown.clone() };
        // One that cannot be replayed is as dear as one that can, and will not be better in a moment.
        let mut failed: HashMap<&str, Instant> = HashMap::new();
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => (),
            }
            for projection in &self.projections {
                if failed.get(projection.name()).is_some_and(|at| at.elapsed() < self.interval) {
                    continue;
                }
                match self.is_due(projection.name()).await {
                    Ok(true) => (),
                    Ok(false) => continue,
                    Err(error) => {
                        tracing::debug!(error = chain(&error), "audits were not looked up");
                        break;
                    }
                }
                let name = projection.name();
                match run(&self.store, &**projection, &pace).await {
                    Ok(report) => {
                        if let Err(error) = record(&self.store, &report).await {
                            tracing::warn!(
                                error = chain(&error),
                                projection = name,
                                "audit was not recorded"
                            );
                        }
                    }
                    Err(AuditError::Busy | AuditError::Stopped) => (),
                    Err(error) => {
                        failed.insert(name, Instant::now());
                        tracing::warn!(
                            error = chain(&error),
                            projection = name,
                            "projection was not audited"
                        );
                    }
                }
            }
        }
    }

    /// Whether the last audit is too old. A projection that never was audited is due one interval after it was first seen.
    async fn is_due(&self, name: &str) -> Result<bool, DbErr> {
        let seconds = self.interval.as_secs_f64();
        let due = Due::find_by_statement(raw_sql!(
            Postgres,
            "INSERT INTO projection_audit AS known (projection) VALUES ({name})
               ON CONFLICT ON CONSTRAINT projection_audit_pkey DO UPDATE SET projection = EXCLUDED.projection
               RETURNING coalesce(known.audited_at, known.known_at) < now() - make_interval(secs => {seconds}) AS yes"
        ))
        .one(self.store.db())
        .await?;
        Ok(due.is_some_and(|due| due.yes))
    }
}

/// Keeps what an audit found, and says so if it is not nothing.
pub(crate) async fn record(store: &EventStore, report: &AuditReport) -> Result<(), DbErr> {
    for table in &report.drift {
        let rows = serde_json::to_string(&table.rows).unwrap_or_default();
        tracing::error!(
            projection = report.projection,
            table = table.table,
            different = table.different,
            missing = table.missing,
            extra = table.extra,
            rows,
            "a projection is not what its events say; rebuild it"
        );
    }
    let (name, audited_at) = (report.projection.as_str(), report.audited_at);
    let drift = i64::try_from(report.drift_rows()).unwrap_or(i64::MAX);
    let report = serde_json::to_value(report).map_err(|error| DbErr::Json(error.to_string()))?;
    store
        .db()
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO projection_audit (projection, audited_at, drift_rows, report)
               VALUES ({name}, {audited_at}, {drift}, {report})
               ON CONFLICT ON CONSTRAINT projection_audit_pkey DO UPDATE
                 SET audited_at = EXCLUDED.audited_at, drift_rows = EXCLUDED.drift_rows, report = EXCLUDED.report"
        ))
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Audited {
    projection: String,
    age: f64,
    drift_rows: i64,
}

/// Publishes the last findings and their age, by whichever process they are.
pub(crate) async fn observe(store: &EventStore) -> Result<(), DbErr> {
    let audits = Audited::find_by_statement(raw_sql!(
        Postgres,
        "SELECT projection, extract(epoch FROM now() - audited_at)::float8 AS age, drift_rows FROM projection_audit WHERE audited_at IS NOT NULL"
    ))
    .all(store.db())
    .await?;
    for Audited { projection, age, drift_rows } in audits {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let drift = drift_rows as f64;
        gauge!("events_projection_drift_rows", "projection" => projection.clone()).set(drift);
        gauge!("events_projection_audited_seconds", "projection" => projection).set(age);
    }
    Ok(())
}
