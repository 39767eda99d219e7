//! A part of a batch: changed judgements as they were sent.

use content_screening::Verdict;
use event_runtime::Aggregate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_schemas::{BatchId, Event, Service, moderation::Subject};
use uuid::Uuid;

/// Names a part; derived from its batch and its number, so that it is received once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartId(Uuid);

impl PartId {
    /// A part of a batch, from 0.
    pub fn of(batch: BatchId, part: u32) -> Self {
        Self(BatchId::derive(&[batch.0.as_bytes(), &part.to_be_bytes()]).0)
    }
}

impl From<PartId> for Uuid {
    fn from(id: PartId) -> Self {
        id.0
    }
}

/// One changed judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What was judged.
    pub subject: Subject,
    /// Which version of it.
    pub subject_version: u64,
    /// The verdict on record.
    pub from: Verdict,
    /// The verdict now.
    pub to: Verdict,
    /// The new analysis.
    pub analysis: Value,
}

/// A fact about a part; private to this service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PartEvent {
    /// It came.
    #[serde(rename = "batch_part.received.v1")]
    Received {
        /// Of which batch.
        batch_id: BatchId,
        /// Its number, from 0.
        part: u32,
        /// The judgements.
        items: Vec<Item>,
    },
}

impl Event for PartEvent {
    const CATEGORY: &'static str = "batch_part";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        false
    }
}

/// What a command needs to know about a part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    items: Option<Vec<Item>>,
}

/// The part has come with other judgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this part of the batch has come with other judgements")]
pub struct OtherItems;

impl Aggregate for Part {
    type Id = PartId;
    type Event = PartEvent;

    fn evolve(self, event: &PartEvent) -> Self {
        let PartEvent::Received { items, .. } = event;
        Self { items: Some(items.clone()) }
    }
}

impl Part {
    /// Receives the part, once.
    ///
    /// # Errors
    ///
    /// [`OtherItems`] if it was another one that came.
    pub fn receive(
        &self,
        batch_id: BatchId,
        part: u32,
        items: &[Item],
    ) -> Result<Vec<PartEvent>, OtherItems> {
        match &self.items {
            None => Ok(vec![PartEvent::Received { batch_id, part, items: items.to_vec() }]),
            Some(known) if known == items => Ok(vec![]),
            Some(_) => Err(OtherItems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_form_ever_written_is_still_read_and_written_alike() {
        // Append only: these forms are in stores, for ever.
        let forms = [
            r#"{"type":"batch_part.received.v1","data":{"batch_id":"00000000-0000-0000-0000-000000000001","part":0,"items":[]}}"#,
            r#"{"type":"batch_part.received.v1","data":{"batch_id":"00000000-0000-0000-0000-000000000001","part":1,"items":[{"subject":{"kind":"post","id":"00000000-0000-0000-0000-000000000002"},"subject_version":1,"from":"HOLD","to":"ALLOW","analysis":{"verdict":"ALLOW"}}]}}"#,
        ];
        for form in forms {
            let raw: shared_schemas::RawEvent = serde_json::from_str(form).unwrap();

            let event = PartEvent::decode(raw.clone()).unwrap().unwrap();

            assert_eq!(event.encode().unwrap(), raw);
            assert!(!event.is_public(), "{form}");
        }
    }
}
