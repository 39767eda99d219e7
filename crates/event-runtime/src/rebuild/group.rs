//! Replaying others' events, for a projection that a consumer group moves.
//!
//! In effect is what the group's watermarks say: everything up to them, and what lanes have done ahead of them, short of the
//! parked events and of those that an operator gave up. Those stay so, with the order of their aggregates, whatever a rebuild
//! does.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};

use super::{
    RebuildError,
    replay::{Precision, Replay, Replayable, Step, apply},
    source::Source,
};
use crate::{
    Projection, RecordedEvent,
    layout::{Layout, announced},
    stream::{EntryError, FIRST_EPOCH, StreamKey},
};

/// A projection of others' events.
pub(crate) struct GroupProjection {
    pub(crate) projection: Arc<dyn Projection>,
    pub(crate) redis_url: String,
}

impl Replayable for GroupProjection {
    fn name(&self) -> &'static str {
        self.projection.group()
    }

    fn tables(&self) -> &'static [&'static str] {
        self.projection.tables()
    }

    fn not_derived(&self) -> &'static [(&'static str, &'static str)] {
        self.projection.not_derived()
    }

    fn swept(&self) -> &'static [(&'static str, &'static str)] {
        self.projection.swept()
    }

    fn replay(&self) -> Result<Box<dyn Replay>, RebuildError> {
        Ok(Box::new(GroupReplay {
            projection: Arc::clone(&self.projection),
            source: Source::connect(&self.redis_url)?,
            reached: BTreeMap::new(),
            skipped: BTreeSet::new(),
        }))
    }
}

struct GroupReplay {
    projection: Arc<dyn Projection>,
    source: Source,
    /// The last event of each partition that was passed.
    reached: BTreeMap<StreamKey, u64>,
    /// Those that were parked when they were passed.
    skipped: BTreeSet<(StreamKey, u64)>,
}

#[derive(FromQueryResult)]
struct Place {
    service: String,
    partition: i16,
    sequence: i64,
    epoch: i32,
}

/// What the group has in effect. Partitions are named as in the first generation, since sequence numbers go on through all.
struct InEffect {
    watermarks: BTreeMap<StreamKey, u64>,
    /// In which generation a partition is read now.
    epochs: BTreeMap<StreamKey, u32>,
    /// Those that are parked, or given up.
    parked: HashSet<(StreamKey, u64)>,
    /// Done ahead of the watermarks.
    ahead: BTreeMap<StreamKey, BTreeSet<u64>>,
}

/// A part of one partition's history.
struct Next {
    partition: StreamKey,
    /// The same, in the generation to which the part belongs.
    key: StreamKey,
    after: u64,
    to: u64,
}

#[async_trait]
impl Replay for GroupReplay {
    async fn total(&self, txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        let in_effect = self.in_effect(txn).await?;
        Ok(in_effect.watermarks.values().sum())
    }

    /// A batch, a redrive and a compaction lock the watermarks before anything else.
    async fn fence(&self, txn: &DatabaseTransaction) -> Result<(), DbErr> {
        let group = self.projection.group();
        txn.execute_raw(raw_sql!(
            Postgres,
            "SELECT FROM watermark WHERE consumer_group = {group} ORDER BY service, partition FOR UPDATE"
        ))
        .await?;
        Ok(())
    }

    async fn step(
        &mut self,
        txn: &DatabaseTransaction,
        precision: Precision,
    ) -> Result<Step, RebuildError> {
        let in_effect = self.in_effect(txn).await?;
        // Before what comes later: they have taken effect in order.
        let mut applied = self.redriven(txn, &in_effect).await?;
        if let Some(next) = self.next(&in_effect).await? {
            for (sequence, event) in self.source.page(next.key, next.after, next.to).await? {
                let place = (next.partition, sequence);
                if in_effect.parked.contains(&place) {
                    self.skipped.insert(place);
                } else {
                    self.apply(txn, next.key, sequence, event).await?;
                    applied += 1;
                }
                self.reached.insert(next.partition, sequence);
            }
            // One page a step, so that transactions stay small.
            return Ok(Step { applied, is_current: false });
        }
        if precision == Precision::Exact {
            applied += self.apply_ahead(txn, &in_effect).await?;
        }
        Ok(Step { applied, is_current: true })
    }

    fn copy(&self) -> Box<dyn Replay> {
        Box::new(Self {
            projection: Arc::clone(&self.projection),
            source: self.source.copy(),
            reached: self.reached.clone(),
            skipped: self.skipped.clone(),
        })
    }
}

impl GroupReplay {
    async fn in_effect(&self, txn: &DatabaseTransaction) -> Result<InEffect, DbErr> {
        let group = self.projection.group();
        // Watermarks first: what is parked by the time of the second statement and at or below them was parked with them.
        let watermarks = Place::find_by_statement(raw_sql!(
            Postgres,
            "SELECT service, partition, sequence, stream_epoch AS epoch FROM watermark WHERE consumer_group = {group}"
        ))
        .all(txn)
        .await?;
        // What an operator gave up has no effect, and never will.
        let parked = Place::find_by_statement(raw_sql!(
            Postgres,
            "SELECT service, partition, sequence, 1 AS epoch FROM parked_event WHERE consumer_group = {group}
             UNION ALL
             SELECT service, partition, sequence, 1 AS epoch FROM skipped_event WHERE consumer_group = {group}"
        ))
        .all(txn)
        .await?;
        let inbox = Place::find_by_statement(raw_sql!(
            Postgres,
            "SELECT i.service, i.partition, i.sequence, 1 AS epoch
               FROM inbox i JOIN watermark w USING (consumer_group, service, partition)
               WHERE i.consumer_group = {group} AND i.sequence > w.sequence"
        ))
        .all(txn)
        .await?;
        let mut ahead = BTreeMap::<StreamKey, BTreeSet<u64>>::new();
        for (key, sequence) in inbox.iter().filter_map(Place::read) {
            ahead.entry(key).or_default().insert(sequence);
        }
        Ok(InEffect {
            epochs: watermarks.iter().filter_map(Place::epoch).collect(),
            watermarks: watermarks.iter().filter_map(Place::read).collect(),
            parked: parked.iter().filter_map(Place::read).collect(),
            ahead,
        })
    }

    /// What to read next: a generation of a service's streams comes after all of the one before, for the order of each
    /// aggregate.
    async fn next(&self, in_effect: &InEffect) -> Result<Option<Next>, RebuildError> {
        let mut behind = BTreeSet::new();
        for (partition, watermark) in &in_effect.watermarks {
            match self.reached.get(partition).copied().unwrap_or(0).cmp(watermark) {
                Ordering::Less => behind.insert(partition.service),
                Ordering::Equal => continue,
                Ordering::Greater => return Err(RebuildError::Rewound),
            };
        }
        for service in behind {
            let layout = announced(self.source.redis(), service).await?;
            let epochs: Vec<u32> =
                layout.iter().flat_map(Layout::generations).map(|g| g.epoch).collect();
            let ends =
                |epoch, partition| layout.as_ref().and_then(|layout| layout.end(epoch, partition));
            // Without an announcement there was never more than the one in which it is read now.
            let epochs =
                if epochs.is_empty() { vec![None] } else { epochs.into_iter().map(Some).collect() };
            for epoch in epochs {
                for (partition, watermark) in &in_effect.watermarks {
                    if partition.service != service {
                        continue;
                    }
                    let after = self.reached.get(partition).copied().unwrap_or(0);
                    let end = epoch.and_then(|epoch| ends(epoch, partition.partition));
                    let to = end.map_or(*watermark, |end| end.min(*watermark));
                    if after < to {
                        let key = epoch.map_or_else(
                            || in_effect.stream(*partition),
                            |epoch| partition.at(epoch),
                        );
                        return Ok(Some(Next { partition: *partition, key, after, to }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Applies what was parked when it was passed and is not any more, in the order of each aggregate: its events may be in
    /// different partitions.
    async fn redriven(
        &mut self,
        txn: &DatabaseTransaction,
        in_effect: &InEffect,
    ) -> Result<u64, RebuildError> {
        let redriven: Vec<(StreamKey, u64)> = self
            .skipped
            .iter()
            .filter(|place| !in_effect.parked.contains(place))
            .copied()
            .collect();
        let mut events = Vec::new();
        for (key, sequence) in &redriven {
            let stream = in_effect.stream(*key);
            let page = self.source.page(stream, sequence - 1, *sequence).await?;
            events.extend(page.into_iter().map(|(sequence, event)| (stream, sequence, event)));
            self.skipped.remove(&(*key, *sequence));
        }
        events.sort_by_key(|(_, _, event)| event.as_ref().map_or(0, |e| e.aggregate_version.0));
        for (stream, sequence, event) in events {
            self.apply(txn, stream, sequence, event).await?;
        }
        Ok(redriven.len() as u64)
    }

    /// Applies what took effect ahead of the watermarks.
    async fn apply_ahead(
        &mut self,
        txn: &DatabaseTransaction,
        in_effect: &InEffect,
    ) -> Result<u64, RebuildError> {
        let mut applied = 0;
        for (key, ahead) in &in_effect.ahead {
            let mut after = in_effect.watermarks.get(key).copied().unwrap_or(0);
            let last = ahead.last().copied().unwrap_or(0);
            while after < last {
                let stream = in_effect.stream(*key);
                for (sequence, event) in self.source.page(stream, after, last).await? {
                    after = sequence;
                    if ahead.contains(&sequence) && !in_effect.parked.contains(&(*key, sequence)) {
                        self.apply(txn, stream, sequence, event).await?;
                        applied += 1;
                    }
                }
            }
        }
        Ok(applied)
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        key: StreamKey,
        sequence: u64,
        event: Result<RecordedEvent, EntryError>,
    ) -> Result<(), RebuildError> {
        let event = event.map_err(|error| RebuildError::Unreadable {
            stream: key.to_string(),
            sequence,
            source: Box::new(error),
        })?;
        apply(&event, self.projection.apply(txn, &event)).await
    }
}

impl InEffect {
    /// The stream in which a partition is read now.
    fn stream(&self, partition: StreamKey) -> StreamKey {
        partition.at(self.epochs.get(&partition).copied().unwrap_or(FIRST_EPOCH))
    }
}

impl Place {
    fn key(&self) -> Option<StreamKey> {
        Some(StreamKey::new(self.service.parse().ok()?, u16::try_from(self.partition).ok()?))
    }

    fn read(&self) -> Option<(StreamKey, u64)> {
        Some((self.key()?, u64::try_from(self.sequence).ok()?))
    }

    fn epoch(&self) -> Option<(StreamKey, u32)> {
        Some((self.key()?, u32::try_from(self.epoch).ok()?))
    }
}
