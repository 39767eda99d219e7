//! An event as people and other programs see it: a CloudEvents 1.0 JSON document.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{EventId, UserId};

/// Who caused an event, and in the course of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The person who acted; absent when the system did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// Groups everything that one request led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// The event that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// W3C trace context of the request (`traceparent`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// CloudEvents 1.0 in JSON format, with the extensions that order and explain an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique per event.
    pub id: EventId,
    /// `/peerlink/<service>`.
    pub source: String,
    /// The wire name, such as `post.published.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The aggregate id.
    pub subject: Uuid,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The place in its partition, dense from 1; absent while unpublished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The partition of its service's streams.
    pub partition: u16,
    /// The place in its aggregate, from 1.
    pub aggregateversion: u64,
    /// See [`Metadata::actor`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// See [`Metadata::correlation_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<Uuid>,
    /// See [`Metadata::causation_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<EventId>,
    /// See [`Metadata::traceparent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The payload.
    pub data: Value,
}
