//! A small domain that makes every lost, repeated or misordered effect visible.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{Aggregate, ApplyError, Concurrency, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, raw_sql};
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, RawEvent, Service};

/// The handler waits for the advisory lock of this number before it goes on.
pub(crate) const LOCKED: i64 = 1_000;
/// The handler rejects this amount until the table `repaired` has a row.
pub(crate) const POISON: i64 = 1_013;
/// The handler panics at this amount until the table `repaired` has a row.
pub(crate) const PANIC: i64 = 1_666;

/// A statement of the handler fails at this amount, and the handler does not mind.
pub(crate) const CARELESS: i64 = 1_888;

/// The handler asks for this amount to be tried again until the table `repaired` has a row.
pub(crate) const LATER: i64 = 1_555;
/// The handler ends the whole process at this amount until the table `repaired` has a row.
pub(crate) const ABORT: i64 = 1_777;

/// The consumer group of [`Tally`].
pub(crate) const GROUP: &str = "engagement.tally";

/// A fact about one counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum CounterEvent {
    /// Public.
    #[serde(rename = "counter.added.v1")]
    Added { amount: i64 },
    /// Private to its service.
    #[serde(rename = "counter.labelled.v1")]
    Labelled { label: String },
}

impl Event for CounterEvent {
    const CATEGORY: &'static str = "counter";
    const SERVICE: Service = Service::Post;

    fn is_public(&self) -> bool {
        matches!(self, Self::Added { .. })
    }

    /// Additions were called increases once: first by a number, then by a number of times a number.
    fn upcast(event: RawEvent) -> RawEvent {
        match event.event_type.as_str() {
            "counter.increased.v1" => {
                Self::upcast(event.renamed("counter.increased.v2").with("times", 1))
            }
            "counter.increased.v2" => {
                let number = |field| event.data.get(field).and_then(serde_json::Value::as_i64);
                let amount =
                    number("by").zip(number("times")).and_then(|(by, times)| by.checked_mul(times));
                event.renamed("counter.added.v1").with("amount", amount)
            }
            _ => event,
        }
    }
}

/// The state behind the facts.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) total: i64,
}

impl Aggregate for Counter {
    type Id = uuid::Uuid;
    type Event = CounterEvent;

    fn evolve(self, event: &CounterEvent) -> Self {
        match event {
            CounterEvent::Added { amount } => Self { total: self.total + amount },
            CounterEvent::Labelled { .. } => self,
        }
    }
}

/// Totals per counter, and a log without any constraint in which a second effect or a wrong order would stay visible.
pub(crate) struct Tally;

#[async_trait]
impl Projection for Tally {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tally", "tally_log"]
    }

    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        &[("tally_log", "id")]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        tally(txn, event).await
    }
}

/// The same read model, by a handler that says more about itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Variant {
    pub(crate) concurrency: Concurrency,
    /// A newer build, which knows the second version of the event: the amount is a text there.
    pub(crate) knows_v2: bool,
    pub(crate) categories: &'static [&'static str],
    pub(crate) linger: Duration,
}

#[async_trait]
impl Projection for Variant {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["tally", "tally_log"]
    }

    fn categories(&self) -> &'static [&'static str] {
        self.categories
    }

    fn concurrency(&self) -> Concurrency {
        self.concurrency
    }

    fn linger(&self) -> Duration {
        self.linger
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let mut event = event.clone();
        if self.knows_v2 && event.raw.event_type == "counter.added.v2" {
            let amount = event.raw.data.get("amount").and_then(|amount| amount.as_str());
            let amount: i64 = amount
                .unwrap_or_default()
                .parse()
                .map_err(|error| ApplyError::reject("undecodable", error))?;
            "counter.added.v1".clone_into(&mut event.raw.event_type);
            event.raw.data = serde_json::json!({ "amount": amount });
        }
        tally(txn, &event).await
    }
}

async fn tally(txn: &DatabaseTransaction, event: &RecordedEvent) -> Result<(), ApplyError> {
    let Some(recorded) = event.open::<CounterEvent>()? else { return Ok(()) };
    let CounterEvent::Added { amount } = recorded.event else { return Ok(()) };
    let (id, version) = (recorded.aggregate_id, recorded.version.0);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO tally_log (counter_id, version, amount) VALUES ({id}, {version}, {amount})"
    ))
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO tally (counter_id, total, version) VALUES ({id}, {amount}, {version})
               ON CONFLICT (counter_id) DO UPDATE
                 SET total = tally.total + EXCLUDED.total, version = EXCLUDED.version"
    ))
    .await?;
    if amount == LOCKED {
        txn.execute_raw(raw_sql!(Postgres, "SELECT pg_advisory_xact_lock({LOCKED})")).await?;
    }
    if amount == CARELESS {
        let failed = txn.execute_unprepared("SELECT 1 / 0").await;
        drop(failed);
    }
    if [POISON, PANIC, LATER, ABORT].contains(&amount) {
        let repaired = raw_sql!(Postgres, "SELECT FROM repaired LIMIT 1");
        let is_repaired = txn.query_one_raw(repaired).await?.is_some();
        assert!(is_repaired || amount != PANIC, "amount {PANIC} is not repaired");
        if amount == ABORT && !is_repaired {
            std::process::abort();
        }
        if amount == LATER && !is_repaired {
            return Err(ApplyError::Retry("not yet".into()));
        }
        if !is_repaired {
            return Err(ApplyError::reject("refused", format!("amount {POISON}")));
        }
    }
    Ok(())
}
