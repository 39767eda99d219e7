//! The partitions of several services as one sequence.

use std::collections::VecDeque;

use event_runtime::{
    History, RecordedEvent,
    history::{Cursor, Filter, SequenceRange},
};

use super::BATCH;
use crate::ArchiveError;

/// Partitions up to the heads of the beginning: each in its order, the one whose next event happened first is next.
pub(super) struct Merge<'a> {
    filter: &'a Filter,
    lanes: Vec<Lane<'a>>,
}

/// What is left of a partition.
struct Lane<'a> {
    history: &'a History,
    rest: SequenceRange,
    read: VecDeque<RecordedEvent>,
}

impl<'a> Merge<'a> {
    pub(super) async fn of(
        sources: &'a [History],
        filter: &'a Filter,
        cursors: &[Cursor],
    ) -> Result<Self, ArchiveError> {
        let mut lanes = Vec::new();
        for (history, cursor) in sources.iter().zip(cursors) {
            for head in history.heads().await? {
                let (partition, up_to) = (head.partition, head.sequence);
                let after = cursor.read_to(partition);
                let rest = SequenceRange { partition, after, up_to };
                lanes.push(Lane { history, rest, read: VecDeque::new() });
            }
        }
        Ok(Self { filter, lanes })
    }

    /// The next event.
    pub(super) async fn peek(&mut self) -> Result<Option<&RecordedEvent>, ArchiveError> {
        for lane in &mut self.lanes {
            lane.fill(self.filter).await?;
        }
        let first = self.first();
        Ok(first.and_then(|at| self.lanes.get(at)).and_then(|lane| lane.read.front()))
    }

    /// Takes the event that [`peek`](Self::peek) has shown.
    pub(super) fn pop(&mut self) -> Option<RecordedEvent> {
        let first = self.first()?;
        self.lanes.get_mut(first)?.read.pop_front()
    }

    fn first(&self) -> Option<usize> {
        let next = |lane: &Lane<'_>| lane.read.front().map(|event| event.occurred_at);
        let lanes = self.lanes.iter().enumerate();
        lanes.filter_map(|(at, lane)| Some((next(lane)?, at))).min().map(|(_occurred_at, at)| at)
    }

    /// Notes on a cursor that everything was read that was there at the beginning.
    pub(super) fn advance_to_the_end(&self, cursor: &mut Cursor) {
        let service = cursor.service();
        for lane in self.lanes.iter().filter(|lane| lane.history.service() == service) {
            cursor.advance(lane.rest.partition, lane.rest.up_to);
        }
    }
}

impl Lane<'_> {
    async fn fill(&mut self, filter: &Filter) -> Result<(), ArchiveError> {
        while self.read.is_empty() && self.rest.after < self.rest.up_to {
            let page = self.history.page(self.rest, filter, BATCH).await?;
            self.rest.after = page.scanned_to;
            self.read.extend(page.events);
        }
        Ok(())
    }
}
