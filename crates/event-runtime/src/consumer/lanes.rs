//! Lanes: transactions of one partition that run side by side, each aggregate always in the same one.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::task::JoinHandle;

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
        }
    }

    pub(super) fn be_careful_until(&mut self, sequence: u64) {
        self.careful_until = self.careful_until.max(sequence);
    }

    /// Queues an entry behind the others of its aggregate. Those of no aggregate share the first lane.
    pub(super) fn push(&mut self, entry: Entry) {
        let id = entry.aggregate().map_or(0, |(_, id)| id.as_u128());
        // The lower bits decided on the partition.
        let lane = usize::try_from((id >> 64 ^ id >> 16) % self.slots.len().max(1) as u128);
        if let Some(slot) = self.slots.get_mut(lane.unwrap_or(0)) {
            slot.waiting.push_back(entry);
        }
    }

    /// Gives every idle lane what waits for it. `watermark` is what the database has, from where a lane that moves it begins.
    pub(super) fn start(&mut self, watermark: u64) {
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
    }

    pub(super) fn are_idle(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.slots.iter().map(|slot| slot.waiting.len()).sum()
    }
}
