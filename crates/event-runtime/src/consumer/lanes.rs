//! Lanes: transactions of one partition that run side by side, each aggregate always in the same one.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{
    Consumer,
    batch::{Finished, Lane, Mark},
    error::OwnerError,
};
use crate::stream::Entry;

/// Events per transaction: enough that the commit is a small part of it, and few enough to do again when one of them fails.
const BATCH: usize = 256;

/// The lanes of one partition, with what waits for them.
pub(super) struct Lanes {
    consumer: Arc<Consumer>,
    slots: Vec<Slot>,
    running: FuturesUnordered<JoinHandle<Finished>>,
    /// Up to this number, events are applied one by one, and noted before: one of them may end the process.
    careful_until: u64,
    /// When the first of those that wait came.
    since: Option<Instant>,
}

#[derive(Default)]
struct Slot {
    waiting: VecDeque<Entry>,
    /// Absent while it works.
    lane: Option<Lane>,
}

impl Lanes {
    pub(super) fn new(consumer: &Arc<Consumer>, lanes: impl Iterator<Item = Lane>) -> Self {
        let slots = lanes.map(|lane| Slot { waiting: VecDeque::new(), lane: Some(lane) });
        Self {
            consumer: Arc::clone(consumer),
            slots: slots.collect(),
            running: FuturesUnordered::new(),
            careful_until: 0,
            since: None,
        }
    }

    pub(super) fn be_careful_until(&mut self, sequence: u64) {
        self.careful_until = self.careful_until.max(sequence);
    }

    /// Queues an entry behind the others of its aggregate. Those of no aggregate share the first lane.
    pub(super) fn push(&mut self, entry: Entry) {
        let lane = entry.aggregate().map_or(0, |(_, id)| lane_of(id, self.slots.len()));
        if let Some(slot) = self.slots.get_mut(lane) {
            slot.waiting.push_back(entry);
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Until when a few entries wait for others; `None` if none waits, or none any longer.
    pub(super) fn lingers_until(&self) -> Option<Instant> {
        let until = self.since? + self.consumer.handler.linger();
        (until > Instant::now() && self.waiting() < BATCH).then_some(until)
    }

    /// Gives every idle lane what waits for it, unless that is to wait for more. `watermark` is what the database has, from where a lane that moves it begins.
    pub(super) fn start(&mut self, watermark: u64) {
        if self.lingers_until().is_some() {
            return;
        }
        let first = self
            .slots
            .iter()
            .filter_map(|slot| slot.waiting.front())
            .map(|entry| entry.sequence)
            .min();
        let is_careful = first.is_some_and(|first| first <= self.careful_until);
        if is_careful && !self.running.is_empty() {
            return;
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.waiting.is_empty()
                || is_careful && slot.waiting.front().map(|entry| entry.sequence) != first
            {
                continue;
            }
            let Some(mut lane) = slot.lane.take() else { continue };
            let most = if is_careful { 1 } else { BATCH };
            let rest = slot.waiting.split_off(most.min(slot.waiting.len()));
            let entries = Vec::from(std::mem::replace(&mut slot.waiting, rest));
            lane.index = index;
            if let Mark::Watermark(from) = &mut lane.mark {
                *from = watermark;
            }
            lane.is_careful = is_careful;
            let work = Arc::clone(&self.consumer).process(lane, entries);
            self.running.push(self.consumer.tasks.spawn(work));
        }
        if self.waiting() == 0 {
            self.since = None;
        }
    }

    /// The next lane that comes to an end; never if none works.
    pub(super) async fn finished(&mut self) -> Result<Finished, OwnerError> {
        match self.running.next().await {
            Some(finished) => Ok(finished?),
            None => std::future::pending().await,
        }
    }

    /// Takes a lane back after its work.
    pub(super) fn give_back(&mut self, lane: Lane) {
        if let Some(slot) = self.slots.get_mut(lane.index) {
            slot.lane = Some(lane);
        }
    }

    /// Forgets what waits: it will be delivered again.
    pub(super) fn forget_waiting(&mut self) {
        for slot in &mut self.slots {
            slot.waiting.clear();
        }
        self.since = None;
    }

    pub(super) fn are_idle(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.slots.iter().map(|slot| slot.waiting.len()).sum()
    }
}

/// The lane of an aggregate. All its bits count, since the lower ones decided on the partition.
fn lane_of(id: Uuid, lanes: usize) -> usize {
    let (high, low) = id.as_u64_pair();
    // Fibonacci hashing: the upper half of the product depends on every bit below.
    let mixed = (high.rotate_left(32) ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(mixed).unwrap_or(0) % lanes.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aggregates_of_one_partition_are_spread_over_all_lanes() {
        for lanes in 1..=16_usize {
            let mut count = vec![0; lanes];
            // Every fourth: one partition of four.
            for number in (0..4_000_u128).step_by(4) {
                count[lane_of(Uuid::from_u128(number), lanes)] += 1;
            }
            let fair = 1_000 / lanes;
            assert!(count.iter().all(|count| *count > fair / 2), "{lanes} lanes: {count:?}");
        }
    }
}
