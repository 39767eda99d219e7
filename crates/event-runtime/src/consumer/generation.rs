//! From one generation of a service's streams to the next: a group begins a new one when all its watermarks have come to the
//! ends of the old one, so that the order of each aggregate holds although its partition may be another.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult, TransactionTrait, raw_sql};
use serde_json::{Value, json};

use super::{
    error::OwnerError,
    owner::Owner,
    parked::Parked,
    progress::Progress,
    source::{Read, Source},
};
use crate::{
    layout::Layout,
    lease::{IDLE_TIMEOUT, Subscription},
    park,
    store::{to_bigint, to_integer, to_smallint},
    stream::StreamKey,
};

/// How often an owner that has come to the end of a generation looks whether the group has.
const LOOK: Duration = Duration::from_millis(200);

/// Where an owner reads next.
pub(super) enum Place {
    /// In the stream of the current generation.
    Live(StreamKey),
    /// In an ended generation, up to and including this sequence number. Its stream may be gone, or hold what is not true.
    Ended(StreamKey, u64),
    /// Nowhere for now: others have not come to the end, or nobody has said what there is.
    Nowhere,
}

/// Nothing, for a moment.
pub(super) struct Nothing;

#[async_trait]
impl Source for Nothing {
    async fn read(&self, _: u64) -> Result<Read, OwnerError> {
        tokio::time::sleep(LOOK).await;
        Ok(Read::Over)
    }

    async fn settle(&self, _: &[u64], _: u64) -> Result<(), OwnerError> {
        Ok(())
    }

    fn is_live(&self) -> bool {
        false
    }
}

#[derive(FromQueryResult)]
struct Mine {
    sequence: i64,
    epoch: i64,
    stream_epoch: i32,
}

#[derive(FromQueryResult)]
struct Look {
    epoch: i64,
    is_over: bool,
}

#[derive(FromQueryResult)]
struct Forgotten {
    parked: i64,
}

impl Owner<'_> {
    /// Finds where to read on, and moves on to the next generation where the group may.
    pub(super) async fn place(&mut self) -> Result<Place, OwnerError> {
        let consumer = Arc::clone(self.consumer);
        let Subscription { group, key } = consumer.subscription;
        let Some(layout) = consumer.layout.get() else { return Ok(Place::Nowhere) };
        loop {
            let key = key.at(self.stream_epoch);
            let Some(generation) = layout.generation(self.stream_epoch) else {
                if !std::mem::replace(&mut self.is_lost, true) {
                    tracing::error!(
                        group, stream = %key, announced = layout.epoch(),
                        "the producer does not know this generation of its streams; its store was restored to the past"
                    );
                }
                return Ok(Place::Nowhere);
            };
            self.is_lost = false;
            let Some(end) = layout.end(self.stream_epoch, key.partition) else {
                return Ok(Place::Live(key));
            };
            if key.partition < generation.partitions {
                if self.progress.highest() > end {
                    self.lower(end).await?;
                }
                if self.progress.watermark() < end {
                    return Ok(Place::Ended(key, end));
                }
            }
            let Some((epoch, sequence)) = self.advance(&layout).await? else {
                return Ok(Place::Nowhere);
            };
            tracing::info!(group, stream = %key.at(epoch), sequence, "next generation of streams");
            // Whoever owned the partition of an aggregate before may have parked events of it.
            let has_parked = park::has_any(consumer.store.db(), group).await?;
            self.parked = Arc::new(Parked::new(has_parked));
            self.stream_epoch = epoch;
            self.progress = Progress::load(sequence, []);
            self.persisted = sequence;
            self.passed.clear();
        }
    }

    /// Moves the whole group to the next generation, if all its partitions have come to the end of this one. Returns where
    /// this partition begins in its new generation, whoever moved it there.
    async fn advance(&self, layout: &Layout) -> Result<Option<(u32, u64)>, OwnerError> {
        let Subscription { group, key } = self.consumer.subscription;
        let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
        let generations = (layout.generation(self.stream_epoch), layout.next(self.stream_epoch));
        let (Some(ended), Some(next)) = generations else { return Ok(None) };
        let (from, to) = (to_integer(ended.epoch), to_integer(next.epoch));
        let rows = |partitions: u16, sequence: &dyn Fn(u16) -> u64| {
            let row =
                |partition: u16| json!({ "p": partition, "s": to_bigint(sequence(partition)) });
            Value::Array((0..partitions).map(row).collect())
        };
        let ends = rows(ended.partitions, &|partition| {
            layout.end(ended.epoch, partition).unwrap_or_default()
        });
        if !self.is_over(from, ends.clone()).await? {
            return Ok(None);
        }
        // All that ever were: those that ended long ago come along, or their owners would look for ever.
        let partitions = layout.generations().map(|generation| generation.partitions).max();
        let begins = rows(partitions.unwrap_or(0), &|partition| layout.base(next.epoch, partition));

        let txn = self.consumer.store.db().begin().await?;
        // In one order everywhere. It waits for the transactions of all owners, so that the next statement sees what they did.
        txn.execute_raw(raw_sql!(
            Postgres,
            "SELECT set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true) FROM (
               SELECT FROM watermark WHERE consumer_group = {group} AND service = {service}
                 ORDER BY partition FOR UPDATE) watermarks"
        ))
        .await?;
        // The owners of the others are fenced: one that has not heard of the new generation must not go on in the old one.
        txn.execute_raw(raw_sql!(
            Postgres,
            "WITH ended AS (
               SELECT * FROM jsonb_to_recordset({ends}) AS ended (p smallint, s bigint)
             ), unfinished AS (
               SELECT FROM ended
                 LEFT JOIN watermark w ON w.consumer_group = {group} AND w.service = {service} AND w.partition = ended.p
                 WHERE w.stream_epoch IS DISTINCT FROM {from} OR w.sequence <> ended.s
               UNION ALL
               SELECT FROM inbox i JOIN ended ON ended.p = i.partition
                 WHERE i.consumer_group = {group} AND i.service = {service} AND i.sequence > ended.s
             )
             INSERT INTO watermark AS w (consumer_group, service, partition, sequence, stream_epoch)
               SELECT {group}, {service}, begun.p, begun.s, {to}
                 FROM jsonb_to_recordset({begins}) AS begun (p smallint, s bigint)
                 WHERE NOT EXISTS (SELECT FROM unfinished) ORDER BY begun.p
               ON CONFLICT ON CONSTRAINT watermark_pkey DO UPDATE
                 SET stream_epoch = EXCLUDED.stream_epoch, sequence = EXCLUDED.sequence, moved_at = now(),
                     epoch = w.epoch + CASE WHEN w.partition = {partition} THEN 0 ELSE 1 END
                 WHERE w.stream_epoch < EXCLUDED.stream_epoch"
        ))
        .await?;
        let mine = Mine::find_by_statement(raw_sql!(
            Postgres,
            "SELECT sequence, epoch, stream_epoch FROM watermark
               WHERE consumer_group = {group} AND service = {service} AND partition = {partition}"
        ))
        .one(&txn)
        .await?;
        let Some(mine) = mine.filter(|mine| mine.epoch == self.epoch) else {
            return Err(OwnerError::Fenced);
        };
        txn.commit().await?;
        let epoch = u32::try_from(mine.stream_epoch).unwrap_or(0);
        let sequence = u64::try_from(mine.sequence).unwrap_or(0);
        Ok((epoch > self.stream_epoch).then_some((epoch, sequence)))
    }

    /// Whether all partitions seem to have come to the end of a generation. Asked without a lock, since those who wait ask
    /// again and again, and those who work must not notice.
    async fn is_over(&self, epoch: i32, ends: Value) -> Result<bool, OwnerError> {
        let Subscription { group, key } = self.consumer.subscription;
        let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
        let look = Look::find_by_statement(raw_sql!(
            Postgres,
            "SELECT mine.epoch, NOT EXISTS (
                      SELECT FROM jsonb_to_recordset({ends}) AS ended (p smallint, s bigint)
                        LEFT JOIN watermark w ON w.consumer_group = {group} AND w.service = {service} AND w.partition = ended.p
                        WHERE w.stream_epoch IS DISTINCT FROM {epoch} OR w.sequence <> ended.s) AS is_over
               FROM watermark mine
               WHERE mine.consumer_group = {group} AND mine.service = {service} AND mine.partition = {partition}"
        ))
        .one(self.consumer.store.db())
        .await?;
        // Another owner has moved this partition, too.
        let Some(look) = look.filter(|look| look.epoch == self.epoch) else {
            return Err(OwnerError::Fenced);
        };
        Ok(look.is_over)
    }

    /// Goes back to where the histories of producer and consumer part: what came after it took effect and never happened.
    /// The effects stay, and the group is marked, until its tables are made anew.
    async fn lower(&mut self, end: u64) -> Result<(), OwnerError> {
        let Subscription { group, key } = self.consumer.subscription;
        let (service, partition) = (key.service.as_str(), to_smallint(key.partition));
        let (from, highest) = (to_bigint(self.persisted), to_bigint(self.progress.highest()));
        let (epoch, last) = (self.epoch, to_bigint(end));
        let txn = self.consumer.store.db().begin().await?;
        let lowered = txn
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE watermark SET sequence = least(sequence, {last}), moved_at = now(),
                        diverged_from = greatest(diverged_from, {highest})
                   WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                     AND epoch = {epoch} AND sequence = {from}
                   RETURNING set_config('idle_in_transaction_session_timeout', {IDLE_TIMEOUT}, true)"
            ))
            .await?;
        if lowered.rows_affected() != 1 {
            return Err(OwnerError::Fenced);
        }
        let forgotten = Forgotten::find_by_statement(raw_sql!(
            Postgres,
            "WITH noted AS (
               DELETE FROM inbox WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence > {last}
             ), attempted AS (
               DELETE FROM attempt WHERE consumer_group = {group} AND service = {service} AND partition = {partition}
                 AND sequence > {last}
             ), skipped AS (
               DELETE FROM skipped_event WHERE consumer_group = {group} AND service = {service}
                 AND partition = {partition} AND sequence > {last}
             ), forgotten AS (
               DELETE FROM parked_event WHERE consumer_group = {group} AND service = {service}
                 AND partition = {partition} AND sequence > {last} RETURNING sequence
             )
             SELECT count(*) AS parked FROM forgotten"
        ))
        .one(&txn)
        .await?;
        txn.commit().await?;
        tracing::error!(
            group, stream = %key.at(self.stream_epoch), applied = highest, last_true = end,
            parked = forgotten.map_or(0, |row| row.parked),
            "events took effect that their producer has lost; rebuild this group's read model"
        );
        let inbox = self.progress.ahead_up_to(end);
        self.progress = Progress::load(self.progress.watermark().min(end), inbox);
        self.persist(self.persisted.min(end));
        self.passed.retain(|sequence| *sequence <= end);
        Ok(())
    }
}
