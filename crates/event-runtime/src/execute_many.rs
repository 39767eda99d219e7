//! Many aggregates of one kind in a few statements: for who has hundreds of them to move at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, raw_sql};
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
struct Change {
    id: Uuid,
    expected: Version,
    new: Vec<NewEvent>,
}

impl<A: Aggregate> Streams<A> {
    /// Decides one command on each of many aggregates, inside a transaction that does more than this. All of them stay as the
    /// decisions found them until that transaction ends. Those without any event are left out.
    ///
    /// They are locked in the order of their ids, so that two such transactions never wait for each other in a circle.
    ///
    /// # Errors
    ///
    /// As [`Streams::execute`], short of refusals; the caller drops the unit of work.
    pub async fn execute_all_in<R: Send>(
        &self,
        work: &UnitOfWork,
        ids: &[A::Id],
        metadata: &Metadata,
        decide: impl Fn(A::Id, &A) -> Vec<A::Event> + Send + Sync,
    ) -> Result<(), ExecuteError<R>>
    where
        A::Id: Copy + Sync,
    {
        let store = self.store();
        let keys: HashMap<Uuid, A::Id> = ids.iter().map(|id| ((*id).into(), *id)).collect();
        let histories =
            store.histories(work, A::Event::CATEGORY, keys.keys().copied().collect()).await?;
        let mut changes = Vec::new();
        let mut decided: HashMap<Uuid, Vec<A::Event>> = HashMap::new();
        for (id, history) in histories {
            let Some(key) = keys.get(&id) else { continue };
            let (state, expected) = fold::<A, R>(id, history)?;
            let events = decide(*key, &state);
            if !events.is_empty() {
                changes.push(Change { id, expected, new: encode(&events)? });
                decided.insert(id, events);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let occurred_at = store.clock().now();
        let appended =
            store.append_all(work, A::Event::CATEGORY, &changes, (occurred_at, metadata)).await?;
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
                    metadata: metadata.clone(),
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
    /// Locks aggregates and reads their events.
    async fn histories(
        &self,
        work: &UnitOfWork,
        aggregate_type: &str,
        ids: Vec<Uuid>,
    ) -> Result<Vec<(Uuid, Vec<RecordedEvent>)>, DbErr> {
        let ids: Value = ids.iter().map(Uuid::to_string).collect::<Vec<_>>().into();
        let wanted = ids.clone();
        let heads = Head::find_by_statement(raw_sql!(
            Postgres,
            "SELECT aggregate_id FROM aggregate_head
               WHERE aggregate_type = {aggregate_type}
                 AND aggregate_id IN (SELECT CAST(id AS uuid) FROM jsonb_array_elements_text({wanted}) AS id)
               ORDER BY aggregate_id FOR UPDATE"
        ))
        .all(work.txn())
        .await?;
        let mut of = self.history_of_all(work.txn(), aggregate_type, ids).await?;
        Ok(heads
            .into_iter()
            .filter_map(|head| Some((head.aggregate_id, of.remove(&head.aggregate_id)?)))
            .collect())
    }

    /// Records events of many aggregates in one statement; the ids of the events of each that was where it was expected.
    async fn append_all(
        &self,
        work: &UnitOfWork,
        aggregate_type: &str,
        changes: &[Change],
        (occurred_at, metadata): (DateTime<Utc>, &Metadata),
    ) -> Result<HashMap<Uuid, Vec<EventId>>, DbErr> {
        let metadata =
            serde_json::to_value(metadata).map_err(|error| DbErr::Json(error.to_string()))?;
        let (mut heads, mut rows, mut ids) = (Vec::new(), Vec::new(), HashMap::new());
        for Change { id, expected, new } in changes {
            let last = expected.0 + i64::try_from(new.len()).unwrap_or(i64::MAX);
            heads.push(
                json!({ "id": id, "expected": expected.0, "last": last, "hash": hash_of(*id) }),
            );
            let mut of = Vec::with_capacity(new.len());
            for (event, version) in new.iter().zip(expected.0 + 1..) {
                let event_id = EventId::new(occurred_at);
                rows.push(json!({
                    "id": event_id, "aggregate_id": id, "version": version, "type": event.raw.event_type,
                    "is_public": event.is_public, "data": event.raw.data,
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
             ), head AS (
               UPDATE aggregate_head AS head SET version = change.last FROM change
                 WHERE head.aggregate_type = {aggregate_type} AND head.aggregate_id = change.id
                   AND head.version = change.expected
                 RETURNING head.aggregate_id, change.hash
             ), appended AS (
               INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data,
                                  metadata, occurred_at)
                 SELECT row.id, {aggregate_type}, row.aggregate_id, row.version, row.type, row.is_public, row.data,
                        {metadata}, {occurred_at}
                   FROM jsonb_to_recordset({rows})
                          AS row (id uuid, aggregate_id uuid, version bigint, type text, is_public boolean, data jsonb)
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
