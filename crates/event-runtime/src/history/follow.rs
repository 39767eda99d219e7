//! Reading along while events are being published.

use std::time::Duration;

use sea_orm::DbErr;

use super::{Cursor, Filter, Head, History, SequenceRange};
use crate::RecordedEvent;

/// How often a follower at the head looks for news.
pub const POLL: Duration = Duration::from_millis(200);

/// Reads a history from any place to its end and beyond: every event once, those of a partition in order.
///
/// It keeps nothing but its place and asks the store each time, so neither a restart of a relay nor the loss of everything in
/// Redis shows: an event that has its number is read, one that has none yet is not.
#[derive(Clone, Debug)]
pub struct Follower {
    history: History,
    filter: Filter,
    cursor: Cursor,
    /// How many partitions to pass over first, so that a busy one does not keep the others waiting.
    turn: usize,
}

/// What was read at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The events that pass the filter; those of a partition in order. May be empty before the head, after a long stretch
    /// that the filter left out.
    pub events: Vec<RecordedEvent>,
    /// Whether nothing more was there to read.
    pub at_head: bool,
}

impl Follower {
    /// A follower that begins after `cursor`.
    pub fn new(history: History, filter: Filter, cursor: Cursor) -> Self {
        Self { history, filter, cursor, turn: 0 }
    }

    /// Everything up to here was returned by [`next`](Self::next) or left out by the filter.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The next events, at most `limit`; returns at once. At the head, wait for [`POLL`] and ask again.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails; the place is as before, and asking again continues there.
    pub async fn next(&mut self, limit: u16) -> Result<Batch, DbErr> {
        let heads = self.history.heads().await?;
        let behind: Vec<Head> = heads
            .into_iter()
            .filter(|head| head.sequence > self.cursor.read_to(head.partition))
            .collect();
        let mut cursor = self.cursor.clone();
        let mut batch = Batch { events: Vec::new(), at_head: true };
        let first = self.turn.checked_rem(behind.len()).unwrap_or(0);
        for head in behind.iter().cycle().skip(first).take(behind.len()) {
            let room = usize::from(limit).saturating_sub(batch.events.len());
            let Ok(room @ 1..) = u16::try_from(room) else {
                batch.at_head = false;
                break;
            };
            let range = SequenceRange {
                partition: head.partition,
                after: cursor.read_to(head.partition),
                up_to: head.sequence,
            };
            let page = self.history.page(range, &self.filter, room).await?;
            cursor.advance(head.partition, page.scanned_to);
            batch.at_head &= page.scanned_to >= head.sequence;
            batch.events.extend(page.events);
        }
        self.turn = self.turn.wrapping_add(1);
        self.cursor = cursor;
        Ok(batch)
    }
}
