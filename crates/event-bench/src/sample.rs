//! What is recorded and handled: one kind of event, about 300 bytes of payload, and handlers that do as little as they can.

use std::{
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use event_runtime::{Aggregate, ApplyError, Clock, Projection, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, raw_sql};
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, Service};
use uuid::Uuid;

/// Bytes of payload as JSON, in our events and in the peers' messages.
pub(crate) const PAYLOAD_BYTES: usize = 300;

/// The aggregate that [`Rows`] refuses when it is told to.
pub(crate) const POISONED: u128 = 1;

/// The tables that the handlers fill; the log has no constraint in which a second effect would not show.
pub(crate) const TABLES: &str = "
CREATE TABLE sample_total (
    aggregate_id uuid PRIMARY KEY, events bigint NOT NULL, version bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE sample_log (
    id bigint GENERATED ALWAYS AS IDENTITY, aggregate_id uuid NOT NULL, version bigint NOT NULL);
";

/// A fact without meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum SampleEvent {
    /// Public.
    #[serde(rename = "sample.taken.v1")]
    Taken { text: String },
    /// Private: recorded, and never published.
    #[serde(rename = "sample.kept.v1")]
    Kept { text: String },
}

impl Event for SampleEvent {
    const CATEGORY: &'static str = "sample";
    const SERVICE: Service = Service::Post;

    fn is_public(&self) -> bool {
        matches!(self, Self::Taken { .. })
    }
}

/// The text that makes a payload as long as [`PAYLOAD_BYTES`].
pub(crate) fn text() -> String {
    text_of(0)
}

/// The same, beginning with the moment at which it was meant to be recorded (microseconds since the Unix epoch).
pub(crate) fn text_of(moment: i64) -> String {
    let text = format!("{moment} {}", "All work and no play. ".repeat(20));
    text.chars().take(PAYLOAD_BYTES - r#"{"text":""}"#.len()).collect()
}

/// The state behind the facts: none.
#[derive(Default)]
pub(crate) struct Sample;

impl Aggregate for Sample {
    type Id = Uuid;
    type Event = SampleEvent;

    fn evolve(self, _: &SampleEvent) -> Self {
        self
    }
}

/// Does nothing but count, and notes when it was called first.
#[derive(Clone, Default)]
pub(crate) struct Nothing {
    pub(crate) handled: Arc<AtomicU64>,
}

#[async_trait]
impl Projection for Nothing {
    fn group(&self) -> &'static str {
        "engagement.nothing"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &[]
    }

    async fn apply(&self, _: &DatabaseTransaction, _: &RecordedEvent) -> Result<(), ApplyError> {
        self.handled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Counts the events of every aggregate in a row of its own, as read models do.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// Whether it refuses the events of [`POISONED`].
    pub(crate) refuses: bool,
}

/// The statement of [`Rows`], which the program it is compared with repeats word for word.
pub(crate) async fn upsert(
    txn: &DatabaseTransaction,
    id: Uuid,
    version: i64,
) -> Result<(), sea_orm::DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO sample_total (aggregate_id, events, version) VALUES ({id}, 1, {version})
           ON CONFLICT (aggregate_id) DO UPDATE
             SET events = sample_total.events + 1, version = EXCLUDED.version"
    ))
    .await?;
    Ok(())
}

#[async_trait]
impl Projection for Rows {
    fn group(&self) -> &'static str {
        "engagement.rows"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["sample_total"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        if self.refuses && event.aggregate_id == Uuid::from_u128(POISONED) {
            return Err(ApplyError::reject("refused", "the poisoned aggregate"));
        }
        Ok(upsert(txn, event.aggregate_id, event.aggregate_version.0).await?)
    }
}

/// Logs every effect as a row, whose transaction knows when it was committed.
#[derive(Clone, Copy)]
pub(crate) struct Log;

#[async_trait]
impl Projection for Log {
    fn group(&self) -> &'static str {
        "engagement.log"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["sample_log"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let (id, version) = (event.aggregate_id, event.aggregate_version.0);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO sample_log (aggregate_id, version) VALUES ({id}, {version})"
        ))
        .await?;
        Ok(())
    }
}

/// Writes a line per event to a file, at once and outside the transaction: `aggregate version intended handled`.
pub(crate) struct Lines {
    file: std::fs::File,
    clock: Clock,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, clock: Clock::System })
    }
}

#[async_trait]
impl Projection for Lines {
    fn group(&self) -> &'static str {
        "engagement.lines"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post]
    }

    fn tables(&self) -> &'static [&'static str] {
        &[]
    }

    async fn apply(
        &self,
        _: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        let Some(recorded) = event.open::<SampleEvent>()? else { return Ok(()) };
        let (SampleEvent::Taken { text } | SampleEvent::Kept { text }) = recorded.event;
        let intended = text.split(' ').next().unwrap_or_default();
        let line = format!(
            "{} {} {intended} {}\n",
            recorded.aggregate_id.as_u128(),
            recorded.version.0,
            self.clock.now().timestamp_micros()
        );
        (&self.file)
            .write_all(line.as_bytes())
            .map_err(|error| ApplyError::reject("refused", error))
    }
}
