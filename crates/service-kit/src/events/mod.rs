//! `GET /events` of every service: its published events, as pages or as streams, for people who analyse them.
//!
//! The store is read, never Redis: what is shown is what was published, whatever happens to relays and streams.

mod form;
mod query;
mod stream;
mod view;

use std::sync::Arc;

use event_runtime::{
    History,
    history::{Cursor, Follower},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Query},
};
use shared_schemas::user::Role;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{form::Form, query::Parameters, stream::Streaming, view::Events};
use crate::{Caller, Host, Problem, Trust};

/// Streams that one process serves at a time.
pub const STREAMS: usize = 8;

/// Statements that one page may cost when its filter leaves nearly everything out.
const STATEMENTS: usize = 20;

/// The operation, for one service.
#[derive(Clone)]
pub(crate) struct EventsApi {
    history: History,
    trust: Trust,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl EventsApi {
    pub(crate) fn new<C>(host: &Host<C>) -> Self {
        Self {
            history: History::of(&host.store),
            trust: host.trust.clone(),
            places: Arc::new(Semaphore::new(STREAMS)),
            tasks: host.tasks.clone(),
            shutdown: host.shutdown.clone(),
        }
    }

    async fn page(&self, mut follower: Follower, limit: u16) -> Result<Events, Problem> {
        let mut items = Vec::new();
        for _ in 0..STATEMENTS {
            let room = limit.saturating_sub(u16::try_from(items.len()).unwrap_or(limit));
            let batch = follower.next(room).await?;
            items.extend(batch.events);
            if batch.at_head || items.len() >= usize::from(limit) {
                return Ok(Events::page(&items, follower.cursor(), batch.at_head));
            }
        }
        Ok(Events::page(&items, follower.cursor(), false))
    }

    fn stream(
        &self,
        follower: Follower,
        form: Form,
        follow: bool,
        caller: &Caller,
    ) -> Result<Events, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_full| {
            Problem::unavailable(format!("{STREAMS} streams are being served; try again later"))
        })?;
        let streaming = Streaming {
            follower,
            form,
            follow,
            trust: self.trust.clone(),
            claims: caller.claims().clone(),
            shutdown: self.shutdown.clone(),
            place,
        };
        Ok(Events::Stream(form, streaming.start(&self.tasks)))
    }
}

#[OpenApi]
impl EventsApi {
    /// Read events
    ///
    /// The published events of this service, as CloudEvents 1.0, in the order of each partition. Events that the service keeps
    /// to itself are never shown. For people with the role ANALYST or ADMIN.
    ///
    /// What `Accept` asks for first decides the form. `text/event-stream`: server-sent events without end, whose ids are
    /// cursors; whoever reconnects with `Last-Event-ID` misses nothing and gets nothing twice. `application/x-ndjson`: a
    /// document with its `cursor` per line, without end unless `follow=false`. Otherwise a page, which may hold few events or
    /// none although `at_head` is false, when the filter leaves most of them out: go on with `next_cursor`.
    ///
    /// A stream shows that it is alive every 15 seconds: server-sent events by a comment, NDJSON by an empty line. It ends
    /// when the access token does, when the service stops, or when the reader has not read for 30 seconds; continue with the
    /// last cursor.
    ///
    /// Fails with 400 for a filter, cursor or limit that is none, 401 without a token, 403 without the role, 406 for another
    /// form, and 503 while eight streams are being served.
    #[oai(path = "/events", method = "get", operation_id = "readEvents", tag = "Tags::Events")]
    #[expect(clippy::too_many_arguments, reason = "each parameter of the operation is one")]
    async fn read_events(
        &self,
        caller: Caller,
        request: &Request,
        /// Types and beginnings of types, separated by commas: `post.published.v1,comment.*`. 32 at most.
        #[oai(name = "type", validator(max_length = 1000))]
        types: Query<Option<String>>,
        /// Events of this aggregate.
        aggregate: Query<Option<uuid::Uuid>>,
        /// Events that this person caused.
        actor: Query<Option<uuid::Uuid>>,
        /// Events that this request, or what it led to, caused: its `X-Request-Id`.
        correlation: Query<Option<uuid::Uuid>>,
        /// Events that happened then or later.
        from: Query<Option<chrono::DateTime<chrono::Utc>>>,
        /// Events that happened before.
        to: Query<Option<chrono::DateTime<chrono::Utc>>>,
        /// The cursor after which to begin; before the first event unless given.
        #[oai(validator(max_length = 2000))]
        after: Query<Option<String>>,
        /// Events of a page, 100 unless given. Means nothing to a stream.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
        /// Whether a stream goes on at the head, which it does unless told otherwise. Must not be true for a page.
        follow: Query<Option<bool>>,
        /// The cursor of the last event that was received; stronger than `after`.
        #[oai(name = "Last-Event-ID", validator(max_length = 2000))]
        last_event_id: Header<Option<String>>,
    ) -> Result<Events, Problem> {
        caller.require_any(&[Role::Analyst, Role::Admin])?;
        let form = Form::of(request)?;
        let parameters = Parameters {
            types: types.0,
            aggregate: aggregate.0,
            actor: actor.0,
            correlation: correlation.0,
            from: from.0,
            to: to.0,
        };
        let cursor = query::cursor(self.history.service(), last_event_id.0.or(after.0))?;
        let follower = Follower::new(self.history.clone(), parameters.filter()?, cursor);
        match form {
            Form::Page if follow.0 == Some(true) => Err(Problem::bad_request(
                "page-cannot-follow",
                "only a stream can follow: accept text/event-stream or application/x-ndjson",
            )),
            Form::Page => self.page(follower, query::limit(limit.0)?).await,
            Form::ServerSentEvents | Form::Lines => {
                self.stream(follower, form, follow.0.unwrap_or(true), &caller)
            }
        }
    }
}

#[derive(poem_openapi::Tags)]
enum Tags {
    /// Everything that happened, for analysis.
    Events,
}

/// A cursor as clients see it.
fn token(cursor: &Cursor) -> String {
    cursor.to_string()
}
