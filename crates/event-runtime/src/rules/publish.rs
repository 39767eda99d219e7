//! What a relay believes about one stream, and what it makes of the answers.

/// The end of a stream, as Redis tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The last sequence number ever written; 0 if there is no stream.
    pub sequence: u64,
    /// The id of the event at that place, if it is still there.
    pub event_id: Option<String>,
}

/// The stream holds what the store does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// The stream is longer than the store, or was when this relay saw it last.
    Behind {
        /// The last sequence number that is known to have been written.
        known: u64,
        /// The last sequence number that the store has given.
        store: u64,
    },
    /// They have different events at the same place.
    Different,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the stream.
    All,
    /// Nothing of it was written: the stream ended somewhere else.
    Refused,
}

/// How far a relay believes one stream to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    believed: Option<u64>,
    /// The end that it knew last, for the count of what Redis has lost.
    seen: u64,
}

impl Cursor {
    /// The sequence number after which to append; `None` if the stream has to be asked first.
    pub fn believed(&self) -> Option<u64> {
        self.believed
    }

    /// Doubts: after an error, or after a while, the stream has to be asked again.
    pub fn forget(&mut self) {
        self.believed = None;
    }

    /// Compares the stream with the store before anything is numbered or written. `head` is the last sequence number that the
    /// store has given, `stored` the id of the event that it has at the stream's end. Returns how many entries the stream
    /// has lost since it was seen last.
    ///
    /// # Errors
    ///
    /// [`Divergence`] if the stream is not a beginning of what the store says. Nothing may be published then.
    pub fn settle(
        &mut self,
        tail: &Tail,
        head: u64,
        stored: Option<&str>,
    ) -> Result<u64, Divergence> {
        let known = tail.sequence.max(self.seen);
        if known > head {
            return Err(Divergence::Behind { known, store: head });
        }
        if tail.event_id.is_some() && tail.event_id.as_deref() != stored {
            return Err(Divergence::Different);
        }
        let lost = self.seen.saturating_sub(tail.sequence);
        self.moved(tail.sequence);
        Ok(lost)
    }

    /// Takes the script's answer to a batch that ends at `end`: the last sequence number of the stream, whoever wrote it.
    pub fn answered(&mut self, end: u64, last: u64) -> Appended {
        self.moved(last);
        if last == end { Appended::All } else { Appended::Refused }
    }

    fn moved(&mut self, to: u64) {
        self.believed = Some(to);
        self.seen = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(sequence: u64, id: &str) -> Tail {
        Tail { sequence, event_id: Some(id.to_owned()) }
    }

    #[test]
    fn a_stream_that_ends_where_the_store_has_the_same_event_is_continued() {
        let mut cursor = Cursor::default();

        assert_eq!(cursor.settle(&tail(3, "c"), 5, Some("c")), Ok(0));
        assert_eq!(cursor.believed(), Some(3));
        assert_eq!(cursor.answered(5, 5), Appended::All);
        assert_eq!(cursor.believed(), Some(5));
    }

    #[test]
    fn a_lost_tail_is_counted_and_written_again_from_where_it_broke_off() {
        let mut cursor = Cursor::default();
        cursor.answered(9, 9);
        cursor.forget();

        assert_eq!(cursor.settle(&tail(4, "d"), 9, Some("d")), Ok(5));
        assert_eq!(cursor.believed(), Some(4));
    }

    #[test]
    fn a_stream_without_entries_is_continued_after_its_last_number() {
        let mut cursor = Cursor::default();

        assert_eq!(cursor.settle(&Tail { sequence: 4, event_id: None }, 9, Some("d")), Ok(0));
        assert_eq!(cursor.believed(), Some(4));
    }

    #[test]
    fn a_stream_that_knows_more_or_something_else_is_not_continued() {
        let mut cursor = Cursor::default();

        let behind = Divergence::Behind { known: 6, store: 5 };
        assert_eq!(cursor.settle(&tail(6, "f"), 5, None), Err(behind));
        assert_eq!(cursor.settle(&tail(5, "x"), 5, Some("e")), Err(Divergence::Different));
        assert_eq!(cursor.settle(&tail(5, "x"), 5, None), Err(Divergence::Different));
        assert_eq!(cursor.believed(), None);
    }

    /// A store that was restored while Redis was emptied under a relay that lives on.
    #[test]
    fn a_store_that_knows_less_than_the_relay_has_seen_is_not_believed() {
        let mut cursor = Cursor::default();
        cursor.answered(9, 9);
        cursor.forget();

        let behind = Divergence::Behind { known: 9, store: 5 };
        assert_eq!(cursor.settle(&Tail::default(), 5, None), Err(behind));
    }

    #[test]
    fn a_refused_batch_moves_the_cursor_to_where_the_stream_is() {
        let mut cursor = Cursor::default();
        cursor.answered(3, 3);

        assert_eq!(cursor.answered(5, 9), Appended::Refused);
        assert_eq!(cursor.believed(), Some(9));
    }
}
