//! One transaction in which events, read models, jobs and watermarks change together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use metrics::counter;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde::Serialize;
use serde_json::{Value, json};

use crate::store::EventStore;

/// Everything that one decision writes, all or nothing. Dropped without [`commit`](Self::commit), it wrote nothing.
pub struct UnitOfWork {
    txn: DatabaseTransaction,
    store: EventStore,
    /// Events recorded so far; they count when all of it is committed.
    appended: AtomicU64,
    /// Whether a job was asked for.
    has_jobs: AtomicBool,
}

impl UnitOfWork {
    pub(crate) fn new(txn: DatabaseTransaction, store: EventStore) -> Self {
        Self { txn, store, appended: AtomicU64::new(0), has_jobs: AtomicBool::new(false) }
    }

    /// Notes that events were recorded.
    pub(crate) fn appended(&self, events: u64) {
        self.appended.fetch_add(events, Ordering::Relaxed);
    }

    /// The transaction, for statements of the caller's own.
    pub fn txn(&self) -> &DatabaseTransaction {
        &self.txn
    }

    /// Asks for work outside the database: recorded now, done by the [`JobWorker`](crate::JobWorker) of `kind` after the commit.
    /// The same `key` again asks for nothing new.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the row cannot be written, [`DbErr::Json`] if the payload cannot be encoded.
    pub async fn enqueue(
        &self,
        kind: &str,
        key: &str,
        payload: &(impl Serialize + Sync),
    ) -> Result<(), DbErr> {
        let payload =
            serde_json::to_value(payload).map_err(|error| DbErr::Json(error.to_string()))?;
        self.txn
            .execute_raw(raw_sql!(
                Postgres,
                "INSERT INTO job (kind, key, payload) VALUES ({kind}, {key}, {payload})
                   ON CONFLICT ON CONSTRAINT job_kind_key_unique DO NOTHING"
            ))
            .await?;
        self.has_jobs.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Asks for many pieces of work of one kind, each with its key, as [`enqueue`](Self::enqueue) does for one.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_all<P: Serialize + Sync>(
        &self,
        kind: &str,
        tasks: &[(String, P)],
    ) -> Result<(), DbErr> {
        if tasks.is_empty() {
            return Ok(());
        }
        let row = |(key, payload): &(String, P)| {
            Ok(json!({ "key": key, "payload": serde_json::to_value(payload)? }))
        };
        let rows = tasks.iter().map(row).collect::<Result<Vec<_>, serde_json::Error>>();
        let rows = Value::Array(rows.map_err(|error| DbErr::Json(error.to_string()))?);
        self.txn
            .execute_raw(raw_sql!(
                Postgres,
                "INSERT INTO job (kind, key, payload)
                   SELECT {kind}, row.key, row.payload FROM jsonb_to_recordset({rows}) AS row (key text, payload jsonb)
                   ON CONFLICT ON CONSTRAINT job_kind_key_unique DO NOTHING"
            ))
            .await?;
        self.has_jobs.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes it all happen, and wakes whoever waits for events or jobs if there are new ones.
    ///
    /// # Errors
    ///
    /// [`DbErr`]; after a lost connection it is unknown whether the commit took place. Also if a statement has failed and
    /// whoever sent it went on all the same: nothing of the transaction can be written any more.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.check().await?;
        self.txn.commit().await?;
        let appended = self.appended.into_inner();
        if appended > 0 {
            counter!("events_appended_total").increment(appended);
            self.store.wake_relay();
        }
        if self.has_jobs.into_inner() {
            self.store.wake_workers();
        }
        Ok(())
    }

    /// PostgreSQL answers the commit of a failed transaction with a rollback and without an error. Any statement before it
    /// has the error.
    async fn check(&self) -> Result<(), DbErr> {
        self.txn.execute_unprepared("SELECT").await?;
        Ok(())
    }

    /// Forgets it all at once, rather than when the connection is next used.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the connection is gone, which forgets it too.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.txn.rollback().await
    }
}
