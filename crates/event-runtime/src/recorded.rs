//! Events together with where and when they were recorded.

use chrono::{DateTime, Utc};
use shared_schemas::{
    DecodeError, Event, EventId, RawEvent, Service,
    envelope::{Envelope, Metadata},
};
use uuid::Uuid;

use crate::Version;

/// A recorded event whose payload is still in wire form.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    /// Unique per event.
    pub id: EventId,
    /// Who recorded it.
    pub service: Service,
    /// The partition of that service's streams.
    pub partition: u16,
    /// The place in the partition, dense from 1; `None` when read from the store before it is published.
    pub sequence: Option<u64>,
    /// The kind of aggregate, such as `post`.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: Uuid,
    /// The place in the aggregate, from 1.
    pub aggregate_version: Version,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who caused it.
    pub metadata: Metadata,
    /// Wire name and payload.
    pub raw: RawEvent,
}

impl RecordedEvent {
    /// Reads the payload as an event of one category; `None` if it is of another, or of a type this build does not know.
    ///
    /// # Errors
    ///
    /// As [`Event::decode`].
    pub fn open<E: Event>(&self) -> Result<Option<Recorded<E>>, DecodeError> {
        if self.aggregate_type != E::CATEGORY {
            return Ok(None);
        }
        let event = E::decode(self.raw.clone())?;
        Ok(event.map(|event| Recorded {
            id: self.id,
            aggregate_id: self.aggregate_id,
            version: self.aggregate_version,
            occurred_at: self.occurred_at,
            metadata: self.metadata.clone(),
            event,
        }))
    }

    /// The event as a CloudEvents 1.0 document.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            specversion: "1.0".to_owned(),
            id: self.id,
            source: format!("/peerlink/{}", self.service),
            event_type: self.raw.event_type.clone(),
            subject: self.aggregate_id,
            time: self.occurred_at,
            sequence: self.sequence,
            partition: self.partition,
            aggregateversion: u64::try_from(self.aggregate_version.0).unwrap_or(0),
            actor: self.metadata.actor,
            correlationid: self.metadata.correlation_id,
            causationid: self.metadata.causation_id,
            traceparent: self.metadata.traceparent.clone(),
            data: self.raw.data.clone(),
        }
    }
}

/// A recorded event of a known category.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded<E> {
    /// Unique per event.
    pub id: EventId,
    /// The aggregate it happened to.
    pub aggregate_id: Uuid,
    /// The place in the aggregate, from 1.
    pub version: Version,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who caused it.
    pub metadata: Metadata,
    /// What happened.
    pub event: E,
}

impl<E> Recorded<E> {
    /// Metadata for events that this one leads to: same correlation, this event as the cause, no actor.
    pub fn consequence(&self) -> Metadata {
        Metadata {
            actor: None,
            correlation_id: self.metadata.correlation_id.or(Some(self.id.0)),
            causation_id: Some(self.id),
            traceparent: self.metadata.traceparent.clone(),
        }
    }
}
