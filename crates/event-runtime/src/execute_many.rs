//! Many aggregates of one kind in a few statements: for who has hundreds of them to move at once.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use shared_schemas::{Event, EventId, envelope::Metadata};
use uuid::Uuid;

use crate::{
    Aggregate, EventStore, ExecuteError, Recorded, Streams, UnitOfWork, Version,
    execute::{conflict, encode, fold},
    recorded::RecordedEvent,
    store::{NewEvent, hash_of},
};

/// What is appended to one aggregate.
struct Change<'a> {
    id: Uuid,
    expected: Version,
    new: Vec<NewEvent>,
    metadata: &'a Metadata,
}

impl<A: Aggregate> Streams<A> {
    /// Decides one command on each of many aggregates, inside a transaction that does more than this: once for each id, with the
    /// metadata that its events are to have. All of them stay as the decisions found them until that transaction ends; one that
    /// has no events yet cannot be held, and is in conflict if another writer creates it first.
    ///
    /// They are locked in the order of their ids, so that two such transactions never wait for each other in a circle.
    ///
    /// # Errors
    ///
    /// As [`Streams::execute`], short of refusals; the caller drops the unit of work.
    pub async fn execute_all_in<R: Send>(
        &self,
        work: &UnitOfWork,
        commands: &[(A::Id, Metadata)],
        decide: impl Fn(A::Id, &A) -> Vec<A::Event> + Send + Sync,
    ) -> Result<(), ExecuteError<R>>
    where
        A::Id: Copy + Sync,
    {
        let store = self.store();
        let of_id: BTreeMap<Uuid, &(A::Id, Metadata)> =
            commands.iter().map(|command| (command.0.into(), command)).collect();
        let mut histories = store.histories(work, A::Event::CATEGORY, of_id.keys()).await?;
        let mut changes = Vec::new();
        let mut decided: HashMap<Uuid, Vec<A::Event>> = HashMap::new();
        for (id, (key, metadata)) in of_id {
            let history = histories.remove(&id).unwrap_or_default();
            let (state, expected) = fold::<A, R>(id, history)?;
            let events = decide(*key, &state);
            if !events.is_empty() {
                changes.push(Change { id, expected, new: encode(&events)?, metadata });
                decided.insert(id, events);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let occurred_at = store.clock().now();
        let appended = store.append_all(work, A::Event::CATEGORY, &changes, occurred_at).await?;
        if appended.len() != changes.len() {
            let first = changes.iter().find(|change| !appended.contains_key(&change.id));
            return Err(conflict(first.map_or(Version(0), |change| change.expected)));
        }
        let Some(read_model) = self.read_model() else { return Ok(()) };
        let mut all = Vec::new();
        for change in &changes {
            let events = decided.remove(&change.id).unwrap_or_default();
            let ids = appended.get(&change.id).map_or(&[][..], Vec::as_slice);
            for ((event, id), version) in events.into_iter().zip(ids).zip(change.expected.0 + 1..) {
                all.push(Recorded {
                    id: *id,
                    aggregate_id: change.id,
                    version: Version(version),
                    occurred_at,
                    metadata: change.metadata.clone(),
                    event,
                });
            }
        }
        read_model.apply_all(work.txn(), &all).await?;
        Ok(())
    }
}

#[derive(FromQueryResult)]
struct Head {
    aggregate_id: Uuid,
}

impl EventStore {
    /// Locks aggregates and reads their events; nothing of those that have none.
    async fn histories(
        &self,
        work: &UnitOfWork,
        aggregate_type: &str,
        ids: impl Iterator<Item = &Uuid>,
    ) -> Result<HashMap<Uuid, Vec<RecordedEvent>>, DbErr> {
        let ids: Value = ids.map(Uuid::to_string).collect::<Vec<_>>().into();
        let wanted = ids.clone();
        work.txn()
            .execute_raw(raw_sql!(
                Postgres,
                "SELECT FROM aggregate_head
                   WHERE aggregate_type = {aggregate_type}
                     AND aggregate_id IN (SELECT CAST(one AS uuid) FROM jsonb_array_elements_text({wanted}) AS one)
                   ORDER BY aggregate_id FOR UPDATE"
            ))
            .await?;
        // A statement of its own, so that it sees what was committed while the locks were waited for.
        self.history_of_all(work.txn(), aggregate_type, ids).await
    }

    /// Records events of many aggregates in one statement; the ids of the events of each that was where it was expected.
    async fn append_all(
        &self,
        work: &UnitOfWork,
        aggregate_type: &str,
        changes: &[Change<'_>],
        occurred_at: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Vec<EventId>>, DbErr> {
        let (mut heads, mut rows, mut ids) = (Vec::new(), Vec::new(), HashMap::new());
        for Change { id, expected, new, metadata } in changes {
            let last = expected.0 + i64::try_from(new.len()).unwrap_or(i64::MAX);
            heads.push(
                json!({ "id": id, "expected": expected.0, "last": last, "hash": hash_of(*id) }),
            );
            let mut of = Vec::with_capacity(new.len());
            for (event, version) in new.iter().zip(expected.0 + 1..) {
                let event_id = EventId::new(occurred_at);
                rows.push(json!({
                    "id": event_id, "aggregate_id": id, "version": version, "type": event.raw.event_type,
                    "is_public": event.is_public, "data": event.raw.data, "metadata": metadata,
                }));
                of.push(event_id);
            }
            ids.insert(*id, of);
        }
        let count = rows.len() as u64;
        let (heads, rows) = (Value::Array(heads), Value::Array(rows));
        let moved = Head::find_by_statement(raw_sql!(
            Postgres,
            "WITH change AS (
               SELECT * FROM jsonb_to_recordset({heads}) AS row (id uuid, expected bigint, last bigint, hash bigint)
             ), moved AS (
               UPDATE aggregate_head AS head SET version = change.last FROM change
                 WHERE head.aggregate_type = {aggregate_type} AND head.aggregate_id = change.id
                   AND head.version = change.expected AND change.expected > 0
                 RETURNING head.aggregate_id
             ), created AS (
               INSERT INTO aggregate_head (aggregate_type, aggregate_id, version)
                 SELECT {aggregate_type}, change.id, change.last FROM change WHERE change.expected = 0 ORDER BY change.id
                 ON CONFLICT ON CONSTRAINT aggregate_head_pkey DO NOTHING
                 RETURNING aggregate_id
             ), head AS (
               SELECT aggregate_id, change.hash
                 FROM (SELECT aggregate_id FROM moved UNION ALL SELECT aggregate_id FROM created) head
                 JOIN change ON change.id = aggregate_id
             ), appended AS (
               INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data,
                                  metadata, occurred_at)
                 SELECT row.id, {aggregate_type}, row.aggregate_id, row.version, row.type, row.is_public, row.data,
                        row.metadata, {occurred_at}
                   FROM jsonb_to_recordset({rows})
                          AS row (id uuid, aggregate_id uuid, version bigint, type text, is_public boolean, data jsonb,
                                  metadata jsonb)
                   JOIN head ON head.aggregate_id = row.aggregate_id
                   ORDER BY row.aggregate_id, row.version
                 RETURNING position, aggregate_id, is_public
             ), queued AS (
               INSERT INTO outbox (position, aggregate_hash)
                 SELECT position, hash FROM appended JOIN head ON head.aggregate_id = appended.aggregate_id WHERE is_public
             )
             SELECT aggregate_id FROM head"
        ))
        .all(work.txn())
        .await?;
        work.appended(count);
        ids.retain(|id, _| moved.iter().any(|head| head.aggregate_id == *id));
        Ok(ids)
    }
}
