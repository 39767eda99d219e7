//! How far a batch is.

use std::collections::BTreeSet;

use event_runtime::Aggregate;
use poem_openapi::Enum;
use serde::{Deserialize, Serialize};
use shared_schemas::{BatchId, Event, Service, UserId};

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BatchState {
    /// Parts of it are to come.
    Receiving,
    /// It is being carried out.
    Applying,
    /// It was carried out.
    Applied,
    /// It is being undone.
    Undoing,
    /// It was undone.
    Undone,
}

impl BatchState {
    /// The spelling in columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "RECEIVING",
            Self::Applying => "APPLYING",
            Self::Applied => "APPLIED",
            Self::Undoing => "UNDOING",
            Self::Undone => "UNDONE",
        }
    }

    /// The state that a column holds.
    pub fn of_column(text: &str) -> Self {
        let all = [Self::Receiving, Self::Applying, Self::Applied, Self::Undoing];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(Self::Undone)
    }
}

/// A judgement that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its place in the part, from 0.
    pub item: u32,
    /// Why, a word.
    pub refusal: String,
}

/// A fact about a batch; private to this service. What it does to cases is in their own events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum BatchEvent {
    /// An administrator opened it.
    #[serde(rename = "batch.opened.v1")]
    Opened {
        /// Who.
        opened_by: UserId,
        /// Why, 1 to 2 000 Unicode scalar values, NFC.
        reason: String,
        /// Name and hashes of the analyser whose judgements these are.
        analyser: String,
        /// In how many parts it comes.
        parts: u32,
    },
    /// A part of it came.
    #[serde(rename = "batch.part_received.v1")]
    PartReceived {
        /// Which, from 0.
        part: u32,
        /// How many judgements it has.
        items: u32,
    },
    /// A part of it was carried out.
    #[serde(rename = "batch.applied.v1")]
    Applied {
        /// Which.
        part: u32,
        /// How many judgements of it.
        changed: u32,
        /// Which ones not.
        refused: Vec<Refused>,
    },
    /// An administrator asked to have it undone.
    #[serde(rename = "batch.undo_requested.v1")]
    UndoRequested {
        /// Who.
        asked_by: UserId,
        /// Why, 1 to 2 000 Unicode scalar values, NFC.
        reason: String,
    },
    /// A part of it was undone.
    #[serde(rename = "batch.reverted.v1")]
    Reverted {
        /// Which.
        part: u32,
        /// How many judgements of it.
        undone: u32,
        /// Which ones not.
        kept: Vec<Refused>,
    },
}

impl Event for BatchEvent {
    const CATEGORY: &'static str = "batch";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        false
    }
}

/// What a command needs to know about a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    opened: Option<(String, String, u32)>,
    received: BTreeSet<u32>,
    applied: u32,
    reverted: u32,
    undo_asked_by: Option<UserId>,
}

/// Why a batch refuses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There is none.
    #[error("there is no such batch")]
    NotFound,
    /// The same id was used for something else.
    #[error("the batch was opened with another reason, analyser or number of parts")]
    OtherBatch,
    /// There are fewer parts.
    #[error("the batch has fewer parts")]
    NoSuchPart,
    /// It is not carried out yet.
    #[error("the batch is not carried out yet")]
    NotApplied,
}

impl Aggregate for Batch {
    type Id = BatchId;
    type Event = BatchEvent;

    fn evolve(mut self, event: &BatchEvent) -> Self {
        match event {
            BatchEvent::Opened { reason, analyser, parts, .. } => {
                self.opened = Some((reason.clone(), analyser.clone(), *parts));
            }
            BatchEvent::PartReceived { part, .. } => {
                self.received.insert(*part);
            }
            BatchEvent::Applied { part, .. } => self.applied = part + 1,
            BatchEvent::UndoRequested { asked_by, .. } => self.undo_asked_by = Some(*asked_by),
            BatchEvent::Reverted { part, .. } => self.reverted = part + 1,
        }
        self
    }
}

impl Batch {
    /// How far it is.
    pub fn state(&self) -> BatchState {
        let parts = self.parts();
        let received = u32::try_from(self.received.len()).unwrap_or(u32::MAX);
        if self.undo_asked_by.is_some() {
            if self.reverted < parts { BatchState::Undoing } else { BatchState::Undone }
        } else if received < parts {
            BatchState::Receiving
        } else if self.applied < parts {
            BatchState::Applying
        } else {
            BatchState::Applied
        }
    }

    /// The part that is to be carried out or undone next.
    pub fn next(&self) -> Option<u32> {
        match self.state() {
            BatchState::Applying => Some(self.applied),
            BatchState::Undoing => Some(self.reverted),
            BatchState::Receiving | BatchState::Applied | BatchState::Undone => None,
        }
    }

    /// Who asked to have it undone.
    pub fn undo_asked_by(&self) -> Option<UserId> {
        self.undo_asked_by
    }

    /// Why it is, and whose judgements these are.
    pub fn about(&self) -> Option<(&str, &str)> {
        self.opened.as_ref().map(|(reason, analyser, _)| (reason.as_str(), analyser.as_str()))
    }

    fn parts(&self) -> u32 {
        self.opened.as_ref().map_or(0, |(_, _, parts)| *parts)
    }

    /// Takes a part, and opens the batch with the first one that comes. Repeating it records nothing.
    ///
    /// # Errors
    ///
    /// [`BatchError::OtherBatch`] and [`BatchError::NoSuchPart`].
    pub fn receive(
        &self,
        opened_by: UserId,
        (reason, analyser, parts): (&str, &str, u32),
        part: u32,
        items: u32,
    ) -> Result<Vec<BatchEvent>, BatchError> {
        let mut events = Vec::new();
        match &self.opened {
            None => events.push(BatchEvent::Opened {
                opened_by,
                reason: reason.to_owned(),
                analyser: analyser.to_owned(),
                parts,
            }),
            Some((known_reason, known_analyser, known_parts))
                if known_reason == reason
                    && known_analyser == analyser
                    && *known_parts == parts => {}
            Some(_) => return Err(BatchError::OtherBatch),
        }
        if part >= parts {
            return Err(BatchError::NoSuchPart);
        }
        if !self.received.contains(&part) {
            events.push(BatchEvent::PartReceived { part, items });
        }
        Ok(events)
    }

    /// A part was carried out; once, and in order.
    pub fn applied(&self, part: u32, changed: u32, refused: &[Refused]) -> Vec<BatchEvent> {
        if self.state() != BatchState::Applying || part != self.applied {
            return vec![];
        }
        vec![BatchEvent::Applied { part, changed, refused: refused.to_vec() }]
    }

    /// Asks to have all of it undone. Repeating it records nothing.
    ///
    /// # Errors
    ///
    /// [`BatchError::NotFound`], and [`BatchError::NotApplied`] while it is not carried out.
    pub fn undo(&self, asked_by: UserId, reason: &str) -> Result<Vec<BatchEvent>, BatchError> {
        if self.opened.is_none() {
            return Err(BatchError::NotFound);
        }
        match self.state() {
            BatchState::Receiving | BatchState::Applying => Err(BatchError::NotApplied),
            BatchState::Applied => {
                Ok(vec![BatchEvent::UndoRequested { asked_by, reason: reason.to_owned() }])
            }
            BatchState::Undoing | BatchState::Undone => Ok(vec![]),
        }
    }

    /// A part was undone; once, and in order.
    pub fn reverted(&self, part: u32, undone: u32, kept: &[Refused]) -> Vec<BatchEvent> {
        if self.state() != BatchState::Undoing || part != self.reverted {
            return vec![];
        }
        vec![BatchEvent::Reverted { part, undone, kept: kept.to_vec() }]
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ADMIN: UserId = UserId(Uuid::from_u128(1));
    const HEAD: (&str, &str, u32) = ("a new policy", "rules/2", 2);

    fn after(batch: Batch, events: &[BatchEvent]) -> Batch {
        events.iter().fold(batch, Batch::evolve)
    }

    #[test]
    fn parts_come_in_any_order_and_are_carried_out_in_theirs_once() {
        let last = Batch::default().receive(ADMIN, HEAD, 1, 5).unwrap();
        let batch = after(Batch::default(), &last);
        assert_eq!((batch.state(), batch.next()), (BatchState::Receiving, None));
        assert_eq!(batch.receive(ADMIN, HEAD, 1, 5), Ok(vec![]));
        assert_eq!(batch.receive(ADMIN, HEAD, 2, 5), Err(BatchError::NoSuchPart));
        assert_eq!(batch.receive(ADMIN, ("b", "rules/2", 2), 0, 5), Err(BatchError::OtherBatch));

        let first = batch.receive(ADMIN, HEAD, 0, 5).unwrap();
        let batch = after(batch, &first);
        assert_eq!((batch.state(), batch.next()), (BatchState::Applying, Some(0)));
        assert_eq!(batch.applied(1, 5, &[]), vec![]);
        let carried_out = batch.applied(0, 5, &[]);
        let batch = after(batch, &carried_out);
        assert_eq!((batch.applied(0, 5, &[]), batch.next()), (vec![], Some(1)));
    }

    #[test]
    fn every_wire_form_ever_written_is_still_read_and_written_alike() {
        // Append only: these forms are in stores, for ever.
        let forms = [
            r#"{"type":"batch.opened.v1","data":{"opened_by":"00000000-0000-0000-0000-000000000001","reason":"a new policy","analyser":"rules/2","parts":2}}"#,
            r#"{"type":"batch.part_received.v1","data":{"part":0,"items":3}}"#,
            r#"{"type":"batch.applied.v1","data":{"part":0,"changed":2,"refused":[{"item":1,"refusal":"decided-by-person"}]}}"#,
            r#"{"type":"batch.undo_requested.v1","data":{"asked_by":"00000000-0000-0000-0000-000000000001","reason":"it was wrong"}}"#,
            r#"{"type":"batch.reverted.v1","data":{"part":0,"undone":2,"kept":[]}}"#,
        ];
        for form in forms {
            let raw: shared_schemas::RawEvent = serde_json::from_str(form).unwrap();

            let event = BatchEvent::decode(raw.clone()).unwrap().unwrap();

            assert_eq!(event.encode().unwrap(), raw);
            assert!(!event.is_public(), "{form}");
        }
    }

    #[test]
    fn what_is_carried_out_is_undone_once() {
        let mut batch = Batch::default();
        assert_eq!(batch.undo(ADMIN, "wrong"), Err(BatchError::NotFound));
        let received = batch.receive(ADMIN, ("a", "b", 1), 0, 3).unwrap();
        batch = after(batch, &received);
        assert_eq!(batch.undo(ADMIN, "wrong"), Err(BatchError::NotApplied));
        let applied = batch.applied(0, 3, &[]);
        batch = after(batch, &applied);
        let asked = batch.undo(ADMIN, "wrong").unwrap();
        batch = after(batch, &asked);
        assert_eq!((batch.state(), batch.next()), (BatchState::Undoing, Some(0)));
        assert_eq!(batch.undo(ADMIN, "wrong"), Ok(vec![]));
        let reverted = batch.reverted(0, 3, &[]);
        batch = after(batch, &reverted);
        assert_eq!((batch.state(), batch.reverted(0, 3, &[])), (BatchState::Undone, vec![]));
    }
}
