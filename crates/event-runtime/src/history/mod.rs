//! Published events, read back from the store: for analysts, exports and whoever follows along.
//!
//! The store is read and never the stream, so nothing here knows whether Redis is there. What is read is what was published:
//! private events have no place in a partition and are never seen.

mod cursor;
mod filter;
mod follow;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;
use shared_schemas::{EventId, RawEvent, Service};
use uuid::Uuid;

pub use cursor::{Cursor, CursorError};
pub use filter::{Filter, FilterError, TypePattern};
pub use follow::{Batch, Follower, POLL};

use crate::{
    EventStore, RecordedEvent, Version,
    store::{to_bigint, to_smallint},
};

/// The most events of one page.
pub const MAX_PAGE: u16 = 1_000;

/// Sequence numbers that one statement looks at when a filter may leave none of them: some 0.2 s of the database's time.
const SCAN: u64 = 50_000;

/// The published events of one service. Cheap to clone; needs nothing but a connection that may read.
#[derive(Clone, Debug)]
pub struct History {
    db: DatabaseConnection,
    service: Service,
}

/// How far a partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The partition.
    pub partition: u16,
    /// The last sequence number that was given in it; 0 when there is none.
    pub sequence: u64,
}

/// A part of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRange {
    /// The partition.
    pub partition: u16,
    /// The sequence number before the first one; 0 for all from the beginning.
    pub after: u64,
    /// The last one; it must have been given already, as [`History::heads`] tells.
    pub up_to: u64,
}

/// Some of the events of a range.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events that pass the filter, in the order of their sequence numbers.
    pub events: Vec<RecordedEvent>,
    /// Up to here nothing is missing from `events`; the next page begins after it.
    pub scanned_to: u64,
}

#[derive(FromQueryResult)]
struct HeadRow {
    partition: i16,
    sequence: i64,
}

#[derive(FromQueryResult)]
struct PublishedRow {
    id: Uuid,
    aggregate_type: String,
    aggregate_id: Uuid,
    aggregate_version: i64,
    #[sea_orm(from_alias = "type")]
    event_type: String,
    data: Value,
    metadata: Value,
    occurred_at: DateTime<Utc>,
    sequence: i64,
}

impl History {
    /// The history of a service, over connections that have the service's schema as their search path.
    pub fn new(db: DatabaseConnection, service: Service) -> Self {
        Self { db, service }
    }

    /// The history of an open store.
    pub fn of(store: &EventStore) -> Self {
        Self::new(store.db().clone(), store.service())
    }

    /// Whose events these are.
    pub fn service(&self) -> Service {
        self.service
    }

    /// How far each partition has come, in the order of the partitions. Everything up to there can be read.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn heads(&self) -> Result<Vec<Head>, DbErr> {
        let rows = HeadRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT partition, sequence FROM publication_head ORDER BY partition"
        ))
        .all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Head {
                partition: u16::try_from(row.partition).unwrap_or(0),
                sequence: u64::try_from(row.sequence).unwrap_or(0),
            })
            .collect())
    }

    /// The next events of a range that pass a filter, at most `limit` (1 to [`MAX_PAGE`]) of them.
    ///
    /// A page of a filtered range may hold few events or none and still not be the last: `scanned_to` tells.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub async fn page(
        &self,
        range: SequenceRange,
        filter: &Filter,
        limit: u16,
    ) -> Result<Page, DbErr> {
        let limit = limit.clamp(1, MAX_PAGE);
        // A key leads to few events through an index of its own; without one the range is read in slices.
        let by_key = filter.has_key();
        let up_to = if filter.is_empty() || by_key {
            range.up_to
        } else {
            range.up_to.min(range.after.saturating_add(SCAN))
        };
        if range.after >= up_to {
            return Ok(Page { events: Vec::new(), scanned_to: range.up_to.max(range.after) });
        }
        let slice = SequenceRange { up_to, ..range };
        let rows = if by_key {
            self.rows_by_key(slice, filter, limit).await?
        } else {
            self.rows_by_sequence(slice, filter, limit).await?
        };
        let is_full = rows.len() >= usize::from(limit);
        let events = rows
            .into_iter()
            .map(|row| self.recorded(range.partition, row))
            .collect::<Result<Vec<_>, _>>()?;
        let last = events.last().and_then(|event| event.sequence);
        let scanned_to = last.filter(|_| is_full).unwrap_or(up_to);
        Ok(Page { events, scanned_to })
    }

    async fn rows_by_sequence(
        &self,
        range: SequenceRange,
        filter: &Filter,
        limit: u16,
    ) -> Result<Vec<PublishedRow>, DbErr> {
        let (partition, limit) = (to_smallint(range.partition), i64::from(limit));
        let (after, up_to) = (to_bigint(range.after), to_bigint(range.up_to));
        let (types, prefixes) = filter.types_as_json();
        let (from, to) = (filter.from, filter.to);
        PublishedRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT e.id, e.aggregate_type, e.aggregate_id, e.aggregate_version, e.type, e.data, e.metadata,
                    e.occurred_at, p.sequence
               FROM publication p JOIN event e ON e.position = p.position
               WHERE p.partition = {partition} AND p.sequence > {after} AND p.sequence <= {up_to}
                 AND ({from}::timestamptz IS NULL OR e.occurred_at >= {from}::timestamptz)
                 AND ({to}::timestamptz IS NULL OR e.occurred_at < {to}::timestamptz)
                 AND ({types}::jsonb IS NULL
                      OR {types}::jsonb ? e.type
                      OR EXISTS (SELECT FROM jsonb_array_elements_text({prefixes}::jsonb) prefix
                                   WHERE starts_with(e.type, prefix)))
               ORDER BY p.sequence LIMIT {limit}"
        ))
        .all(&self.db)
        .await
    }

    async fn rows_by_key(
        &self,
        range: SequenceRange,
        filter: &Filter,
        limit: u16,
    ) -> Result<Vec<PublishedRow>, DbErr> {
        let (partition, limit) = (to_smallint(range.partition), i64::from(limit));
        let (after, up_to) = (to_bigint(range.after), to_bigint(range.up_to));
        let (types, prefixes) = filter.types_as_json();
        let (from, to) = (filter.from, filter.to);
        let aggregate = filter.aggregate_id;
        let actor = filter.actor.map(|actor| actor.to_string());
        let correlation = filter.correlation_id.map(|id| id.to_string());
        // `OFFSET 0` keeps the planner from walking the partition in order in the hope of meeting the key soon.
        // The kinds of aggregates are found by hopping through their index: there are a handful.
        PublishedRow::find_by_statement(raw_sql!(
            Postgres,
            "WITH RECURSIVE kind (name) AS (
               (SELECT aggregate_type FROM aggregate_head ORDER BY aggregate_type LIMIT 1)
               UNION ALL
               SELECT (SELECT head.aggregate_type FROM aggregate_head head
                         WHERE head.aggregate_type > kind.name ORDER BY head.aggregate_type LIMIT 1)
                 FROM kind WHERE kind.name IS NOT NULL
             )
             SELECT e.id, e.aggregate_type, e.aggregate_id, e.aggregate_version, e.type, e.data, e.metadata,
                    e.occurred_at, p.sequence
               FROM (SELECT * FROM event
                       WHERE ({aggregate}::uuid IS NULL
                              OR (aggregate_id = {aggregate}::uuid
                                  AND aggregate_type = ANY (ARRAY(SELECT name FROM kind WHERE name IS NOT NULL))))
                         AND ({actor}::text IS NULL OR metadata ->> 'actor' = {actor}::text)
                         AND ({correlation}::text IS NULL OR metadata ->> 'correlation_id' = {correlation}::text)
                       OFFSET 0) e
                 JOIN publication p ON p.position = e.position
               WHERE p.partition = {partition} AND p.sequence > {after} AND p.sequence <= {up_to}
                 AND ({from}::timestamptz IS NULL OR e.occurred_at >= {from}::timestamptz)
                 AND ({to}::timestamptz IS NULL OR e.occurred_at < {to}::timestamptz)
                 AND ({types}::jsonb IS NULL
                      OR {types}::jsonb ? e.type
                      OR EXISTS (SELECT FROM jsonb_array_elements_text({prefixes}::jsonb) prefix
                                   WHERE starts_with(e.type, prefix)))
               ORDER BY p.sequence LIMIT {limit}"
        ))
        .all(&self.db)
        .await
    }

    fn recorded(&self, partition: u16, row: PublishedRow) -> Result<RecordedEvent, DbErr> {
        Ok(RecordedEvent {
            id: EventId(row.id),
            service: self.service,
            partition,
            sequence: u64::try_from(row.sequence).ok(),
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
