//! The event store: the only place that reads and writes the `event` table.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, TransactionTrait, raw_sql,
};
use serde_json::{Value, json};
use shared_schemas::{EventId, RawEvent, Service, envelope::Metadata};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    Clock, RuntimeError, UnitOfWork, Version,
    layout::{self, Layout},
    recorded::RecordedEvent,
};

/// The events of one service, in its own schema.
#[derive(Clone)]
pub struct EventStore {
    db: DatabaseConnection,
    service: Service,
    layout: Arc<RwLock<Arc<Layout>>>,
    clock: Clock,
    events_committed: Arc<Notify>,
    jobs_committed: Arc<Notify>,
}

/// An event that is about to be recorded.
pub(crate) struct NewEvent {
    pub(crate) raw: RawEvent,
    pub(crate) is_public: bool,
}

/// Where an append found its aggregate.
pub(crate) struct Appended {
    pub(crate) version: Version,
    pub(crate) ids: Vec<EventId>,
    pub(crate) occurred_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct EventRow {
    id: Uuid,
    aggregate_type: String,
    aggregate_id: Uuid,
    aggregate_version: i64,
    #[sea_orm(from_alias = "type")]
    event_type: String,
    partition: Option<i16>,
    data: Value,
    metadata: Value,
    occurred_at: DateTime<Utc>,
    sequence: Option<i64>,
    position: i64,
}

/// An event, and where the aggregate is of which it was read.
#[derive(FromQueryResult)]
struct LockedRow {
    head: i64,
    #[sea_orm(nested)]
    event: EventRow,
}

impl EventStore {
    /// A store on an open, migrated database, whose connections have the service's schema as their search path.
    ///
    /// `partitions` is for a new store; one that has events keeps the number it has, until
    /// [`epoch::repartition`](crate::epoch::repartition).
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Storage`] if the database fails.
    pub async fn open(
        db: DatabaseConnection,
        service: Service,
        partitions: u16,
        clock: Clock,
    ) -> Result<Self, RuntimeError> {
        let layout = layout::lay_out(&db, partitions).await?;
        if layout.partitions() != partitions {
            tracing::info!(
                stored = layout.partitions(),
                configured = partitions,
                "the store keeps its number of partitions; the configured one is for a new store"
            );
        }
        Ok(Self {
            db,
            service,
            layout: Arc::new(RwLock::new(Arc::new(layout))),
            clock,
            events_committed: Arc::new(Notify::new()),
            jobs_committed: Arc::new(Notify::new()),
        })
    }

    /// The database behind the store, for reads.
    pub fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Whose events these are.
    pub fn service(&self) -> Service {
        self.service
    }

    /// The generations of the service's streams, as this process knows them: its relay looks every second.
    pub fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the layout from the database.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn refresh_layout(&self) -> Result<Arc<Layout>, DbErr> {
        let layout = Arc::new(layout::load(&self.db).await?);
        *self.layout.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&layout);
        Ok(layout)
    }

    /// How many streams the service's own events are spread over. Each service has a number of its own.
    pub fn partitions(&self) -> u16 {
        self.layout().partitions()
    }

    /// The clock that dates events.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database cannot be reached.
    pub async fn begin(&self) -> Result<UnitOfWork, DbErr> {
        Ok(UnitOfWork::new(self.db.begin().await?, self.clone()))
    }

    /// Tells the relay of this process that events were committed.
    pub(crate) fn wake_relay(&self) {
        self.events_committed.notify_one();
    }

    /// Tells the job workers of this process that there is work.
    pub(crate) fn wake_workers(&self) {
        self.jobs_committed.notify_waiters();
    }

    pub(crate) fn events_committed(&self) -> &Notify {
        &self.events_committed
    }

    pub(crate) fn jobs_committed(&self) -> &Notify {
        &self.jobs_committed
    }

    /// The partition in which an event of an aggregate would be published now. It is decided when the event gets its sequence
    /// number, so an event that waits may end up elsewhere.
    pub fn partition_of(&self, aggregate_id: Uuid) -> u16 {
        let partition = hash_of(aggregate_id).unsigned_abs() % u64::from(self.partitions().max(1));
        u16::try_from(partition).unwrap_or(0)
    }

    /// Locks an aggregate until the transaction ends, and gives its events, oldest first. One that has no events yet cannot be
    /// locked.
    pub(crate) async fn locked_history(
        &self,
        txn: &impl ConnectionTrait,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<Vec<RecordedEvent>, DbErr> {
        let rows = LockedRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT head.version AS head, e.id, e.aggregate_type, e.aggregate_id, e.aggregate_version, e.type, e.data,
                    e.metadata, e.occurred_at, NULL::smallint AS partition, NULL::bigint AS sequence, e.position
               FROM aggregate_head AS head
               JOIN event AS e ON (e.aggregate_type, e.aggregate_id) = (head.aggregate_type, head.aggregate_id)
               WHERE head.aggregate_type = {aggregate_type} AND head.aggregate_id = {aggregate_id}
               ORDER BY e.aggregate_version FOR UPDATE OF head"
        ))
        .all(txn)
        .await?;
        // Whoever waited for the lock sees the head as it is now, and the events as they were when the statement began.
        if rows.last().is_some_and(|last| last.head != last.event.aggregate_version) {
            return self.history(txn, aggregate_type, aggregate_id).await;
        }
        rows.into_iter().map(|row| self.recorded(row.event)).collect()
    }

    /// The events of one aggregate, oldest first, as they stand.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn history(
        &self,
        connection: &impl ConnectionTrait,
        aggregate_type: &str,
        aggregate_id: Uuid,
    ) -> Result<Vec<RecordedEvent>, DbErr> {
        let rows = EventRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT id, aggregate_type, aggregate_id, aggregate_version, type, data, metadata, occurred_at,
                    NULL::smallint AS partition, NULL::bigint AS sequence, position
               FROM event WHERE aggregate_type = {aggregate_type} AND aggregate_id = {aggregate_id}
               ORDER BY aggregate_version"
        ))
        .all(connection)
        .await?;
        rows.into_iter().map(|row| self.recorded(row)).collect()
    }

    /// The events of many aggregates, `ids` being a JSON array of theirs: by aggregate, oldest first.
    pub(crate) async fn history_of_all(
        &self,
        connection: &impl ConnectionTrait,
        aggregate_type: &str,
        ids: Value,
    ) -> Result<HashMap<Uuid, Vec<RecordedEvent>>, DbErr> {
        let rows = EventRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT e.id, aggregate_type, aggregate_id, aggregate_version, type, data, metadata, occurred_at,
                    NULL::smallint AS partition, NULL::bigint AS sequence, position
               FROM jsonb_array_elements_text({ids}) AS wanted
               JOIN event e ON e.aggregate_type = {aggregate_type} AND e.aggregate_id = CAST(wanted AS uuid)
               ORDER BY aggregate_id, aggregate_version"
        ))
        .all(connection)
        .await?;
        let mut histories: HashMap<Uuid, Vec<RecordedEvent>> = HashMap::new();
        for row in rows {
            histories.entry(row.aggregate_id).or_default().push(self.recorded(row)?);
        }
        Ok(histories)
    }

    /// What was recorded in ranges of positions, and after a position at most `limit` events, in the order of positions and
    /// as of one moment: what a rebuild reads page by page. Events of other categories are shown by their position alone.
    pub(crate) async fn page_at(
        &self,
        connection: &impl ConnectionTrait,
        aggregate_type: &str,
        ranges: Value,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Option<RecordedEvent>)>, DbErr> {
        let rows = EventRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT id, aggregate_type, aggregate_id, aggregate_version, type, occurred_at,
                    CASE aggregate_type WHEN {aggregate_type} THEN data ELSE 'null' END AS data,
                    CASE aggregate_type WHEN {aggregate_type} THEN metadata ELSE 'null' END AS metadata,
                    NULL::smallint AS partition, NULL::bigint AS sequence, position
               FROM (
                 (SELECT event.* FROM jsonb_to_recordset({ranges}) AS hole (a bigint, z bigint)
                    JOIN event ON position BETWEEN hole.a AND hole.z)
                 UNION ALL
                 (SELECT * FROM event WHERE position > {after} ORDER BY position LIMIT {limit})) page
               ORDER BY position"
        ))
        .all(connection)
        .await?;
        rows.into_iter()
            .map(|row| {
                let is_asked_for = row.aggregate_type == aggregate_type;
                let position = row.position;
                Ok((position, is_asked_for.then(|| self.recorded(row)).transpose()?))
            })
            .collect()
    }

    /// Published events of one partition after a sequence number, in public order, whatever the generation.
    pub(crate) async fn published_after(
        &self,
        partition: u16,
        sequence: u64,
        limit: i64,
    ) -> Result<Vec<RecordedEvent>, DbErr> {
        let (partition, after) = (to_smallint(partition), to_bigint(sequence));
        let rows = EventRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT e.id, e.aggregate_type, e.aggregate_id, e.aggregate_version, e.type, e.data, e.metadata,
                    e.occurred_at, p.partition, p.sequence, e.position
               FROM publication p JOIN event e ON e.position = p.position
               WHERE p.partition = {partition} AND p.sequence > {after}
               ORDER BY p.sequence LIMIT {limit}"
        ))
        .all(&self.db)
        .await?;
        rows.into_iter().map(|row| self.recorded(row)).collect()
    }

    /// Records events after `expected`, in one statement: version check, events, outbox. `None` if the aggregate has moved.
    pub(crate) async fn append(
        &self,
        txn: &impl ConnectionTrait,
        aggregate_type: &str,
        aggregate_id: Uuid,
        expected: Version,
        events: &[NewEvent],
        metadata: &Metadata,
    ) -> Result<Option<Appended>, DbErr> {
        let occurred_at = self.clock.now();
        let hash = hash_of(aggregate_id);
        let metadata = to_json(metadata)?;
        let ids: Vec<EventId> = events.iter().map(|_| EventId::new(occurred_at)).collect();
        let expected = expected.0;
        let version = expected + i64::try_from(events.len()).unwrap_or(i64::MAX);
        let rows: Vec<Value> = events
            .iter()
            .zip(&ids)
            .zip(expected + 1..)
            .map(|((event, id), version)| {
                json!({
                    "id": id, "version": version, "type": event.raw.event_type,
                    "is_public": event.is_public, "data": event.raw.data,
                })
            })
            .collect();
        let rows = Value::Array(rows);

        // An update finds the expected version or nothing; an insert happens only for a new aggregate.
        let appended = txn
            .execute_raw(raw_sql!(
                Postgres,
                "WITH head AS (
                   INSERT INTO aggregate_head AS head (aggregate_type, aggregate_id, version)
                     SELECT {aggregate_type}, {aggregate_id}, {version}
                       WHERE {expected} = 0 OR EXISTS (
                         SELECT FROM aggregate_head
                           WHERE aggregate_type = {aggregate_type} AND aggregate_id = {aggregate_id})
                     ON CONFLICT ON CONSTRAINT aggregate_head_pkey
                       DO UPDATE SET version = EXCLUDED.version WHERE head.version = {expected}
                     RETURNING version
                 ), appended AS (
                   INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data,
                                      metadata, occurred_at)
                     SELECT row.id, {aggregate_type}, {aggregate_id}, row.version, row.type, row.is_public, row.data,
                            {metadata}, {occurred_at}
                       FROM head, jsonb_to_recordset({rows})
                              AS row (id uuid, version bigint, type text, is_public boolean, data jsonb)
                       ORDER BY row.version
                     RETURNING position, is_public
                 ), queued AS (
                   INSERT INTO outbox (position, aggregate_hash)
                     SELECT position, {hash} FROM appended WHERE is_public
                 )
                 SELECT version FROM head"
            ))
            .await?;
        Ok((appended.rows_affected() == 1).then_some(Appended {
            version: Version(version),
            ids,
            occurred_at,
        }))
    }

    fn recorded(&self, row: EventRow) -> Result<RecordedEvent, DbErr> {
        Ok(RecordedEvent {
            id: EventId(row.id),
            service: self.service,
            partition: row
                .partition
                .and_then(|partition| u16::try_from(partition).ok())
                .unwrap_or_else(|| self.partition_of(row.aggregate_id)),
            sequence: row.sequence.and_then(|sequence| u64::try_from(sequence).ok()),
            aggregate_type: row.aggregate_type,
            aggregate_id: row.aggregate_id,
            aggregate_version: Version(row.aggregate_version),
            occurred_at: row.occurred_at,
            metadata: serde_json::from_value(row.metadata)
                .map_err(|error| DbErr::Json(error.to_string()))?,
            raw: RawEvent { event_type: row.event_type, data: row.data },
        })
    }
}

fn to_json(metadata: &Metadata) -> Result<Value, DbErr> {
    serde_json::to_value(metadata).map_err(|error| DbErr::Json(error.to_string()))
}

/// What decides about the partition of an aggregate, from 0: the lower 63 bits of its id, which are random in `UUIDv7` and in
/// `UUIDv5`. Its remainder by the number of partitions is the partition.
pub(crate) fn hash_of(aggregate_id: Uuid) -> i64 {
    let low = aggregate_id.as_u128() & u128::from(i64::MAX.unsigned_abs());
    i64::try_from(low).unwrap_or(0)
}

/// The number of a generation as PostgreSQL keeps it.
pub(crate) fn to_integer(epoch: u32) -> i32 {
    i32::try_from(epoch).unwrap_or(i32::MAX)
}

/// A partition as PostgreSQL keeps it; there are never 32 768 of them.
pub(crate) fn to_smallint(partition: u16) -> i16 {
    i16::try_from(partition).unwrap_or(i16::MAX)
}

/// A sequence number as PostgreSQL keeps it; below 2^53, so that Lua can count it too.
pub(crate) fn to_bigint(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
