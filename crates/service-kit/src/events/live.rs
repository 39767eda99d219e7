//! Server-sent events of a service's own making: what happens from now on, for an endpoint of its own.
//!
//! The same machinery as `GET /events`, with a filter that the service chooses and for whom it chooses.

use std::sync::Arc;

use event_runtime::{
    History,
    history::{Cursor, Filter, Follower},
};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{form::Form, query, stream::Streaming, view};
use crate::{Caller, Host, Problem, Trust};

/// Serves streams of events. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    history: History,
    trust: Trust,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A stream of CloudEvents 1.0 documents (`text/event-stream`, WHATWG HTML §9.2), whose ids are cursors.
pub struct ServerSentEvents(Body);

impl Live {
    /// Streams of this service's published events, so many at a time.
    pub fn new<C>(host: &Host<C>, streams: usize) -> Self {
        Self {
            history: History::of(&host.store),
            trust: host.trust.clone(),
            places: Arc::new(Semaphore::new(streams)),
            tasks: host.tasks.clone(),
            shutdown: host.shutdown.clone(),
        }
    }

    /// Events from now on, or from the last one that the reader received. It ends as a stream of `GET /events` does; whether
    /// the caller may read at all is for the endpoint to say.
    ///
    /// # Errors
    ///
    /// 400 if `last_event_id` is no cursor of this service, 503 while all places are taken or the database does not answer.
    pub async fn follow(
        &self,
        caller: &Caller,
        filter: Filter,
        last_event_id: Option<String>,
    ) -> Result<ServerSentEvents, Problem> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_full| Problem::unavailable("too many streams are being served"))?;
        let cursor = match last_event_id {
            Some(token) => query::cursor(self.history.service(), Some(token))?,
            None => self.head().await?,
        };
        let streaming = Streaming {
            follower: Follower::new(self.history.clone(), filter, cursor),
            form: Form::ServerSentEvents,
            follow: true,
            trust: self.trust.clone(),
            claims: caller.claims().clone(),
            shutdown: self.shutdown.clone(),
            place,
        };
        Ok(ServerSentEvents(streaming.start(&self.tasks)))
    }

    async fn head(&self) -> Result<Cursor, Problem> {
        let mut cursor = Cursor::start(self.history.service());
        for head in self.history.heads().await? {
            cursor.advance(head.partition, head.sequence);
        }
        Ok(cursor)
    }
}

impl IntoResponse for ServerSentEvents {
    fn into_response(self) -> Response {
        view::Events::Stream(Form::ServerSentEvents, self.0).into_response()
    }
}

impl ApiResponse for ServerSentEvents {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Events as they happen, without end.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: Form::ServerSentEvents.content_type(),
                    schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
                }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
