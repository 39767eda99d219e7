//! What is answered.

use chrono::{DateTime, Utc};
use event_runtime::{RecordedEvent, history::Cursor};
use poem::{
    Body, IntoResponse, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::{Any, Example},
};
use serde_json::{Value, json};
use shared_schemas::envelope::Envelope;
use uuid::Uuid;

use super::{form::Form, token};
use crate::example;

/// An event as a CloudEvents 1.0 document, with the extensions that order and explain it.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct CloudEvent {
    /// Always `1.0`.
    specversion: String,
    /// Unique per event.
    id: Uuid,
    /// `/peerlink/<service>`.
    source: String,
    /// The wire name, such as `post.published.v1`.
    #[oai(rename = "type")]
    event_type: String,
    /// The aggregate to which it happened.
    subject: Uuid,
    /// When it happened.
    time: DateTime<Utc>,
    /// The place in its partition, dense from 1.
    #[oai(skip_serializing_if_is_none)]
    sequence: Option<u64>,
    /// The partition of its service's streams.
    partition: u16,
    /// The place in its aggregate, from 1.
    aggregateversion: u64,
    /// The person who caused it; absent when the system did.
    #[oai(skip_serializing_if_is_none)]
    actor: Option<Uuid>,
    /// The request that it goes back to.
    #[oai(skip_serializing_if_is_none)]
    correlationid: Option<Uuid>,
    /// The event that led to it.
    #[oai(skip_serializing_if_is_none)]
    causationid: Option<Uuid>,
    /// W3C trace context of the request.
    #[oai(skip_serializing_if_is_none)]
    traceparent: Option<String>,
    /// The payload, in the form that belongs to the type.
    data: Any<Value>,
}

impl Example for CloudEvent {
    fn example() -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: example::id(7),
            source: "/peerlink/post".to_owned(),
            event_type: "post.archived.v1".to_owned(),
            subject: example::id(3),
            time: example::moment(),
            sequence: Some(41),
            partition: 0,
            aggregateversion: 2,
            actor: Some(example::id(1)),
            correlationid: Some(example::id(8)),
            causationid: None,
            traceparent: None,
            data: Any(json!({})),
        }
    }
}

impl From<Envelope> for CloudEvent {
    fn from(envelope: Envelope) -> Self {
        Self {
            specversion: envelope.specversion,
            id: envelope.id.0,
            source: envelope.source,
            event_type: envelope.event_type,
            subject: envelope.subject,
            time: envelope.time,
            sequence: envelope.sequence,
            partition: envelope.partition,
            aggregateversion: envelope.aggregateversion,
            actor: envelope.actor.map(|actor| actor.0),
            correlationid: envelope.correlationid,
            causationid: envelope.causationid.map(|id| id.0),
            traceparent: envelope.traceparent,
            data: Any(envelope.data),
        }
    }
}

/// Some of the events, and where to go on.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct EventsPage {
    /// The events; those of a partition in order.
    items: Vec<CloudEvent>,
    /// Give this as `after` to go on, now or after any time; it is there at the head, too.
    next_cursor: String,
    /// Whether there was nothing more to read.
    at_head: bool,
}

impl Example for EventsPage {
    fn example() -> Self {
        Self { items: vec![CloudEvent::example()], next_cursor: "AQEAKQ".to_owned(), at_head: true }
    }
}

/// The answer.
pub(super) enum Events {
    /// A page.
    Page(EventsPage),
    /// A stream of this form.
    Stream(Form, Body),
}

impl Events {
    pub(super) fn page(events: &[RecordedEvent], cursor: &Cursor, at_head: bool) -> Self {
        let items = events.iter().map(|event| event.envelope().into()).collect();
        Self::Page(EventsPage { items, next_cursor: token(cursor), at_head })
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        match self {
            Self::Page(page) => Json(page).into_response(),
            Self::Stream(form, body) => {
                let mut response = body.into_response();
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
                // A proxy that collects an answer before it passes it on would never pass this one on.
                headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
                response
            }
        }
    }
}

impl ApiResponse for Events {
    fn meta() -> MetaResponses {
        let text = || MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let content = vec![
            MetaMediaType {
                content_type: Form::Page.content_type(),
                schema: Json::<EventsPage>::schema_ref(),
            },
            MetaMediaType { content_type: Form::ServerSentEvents.content_type(), schema: text() },
            MetaMediaType { content_type: Form::Lines.content_type(), schema: text() },
        ];
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Events, in the form that was asked for.",
                status: Some(200),
                status_range: None,
                content,
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        <Json<EventsPage> as Payload>::register(registry);
    }
}
