//! The queue as it moves.

use event_runtime::history::{Filter, FilterError, TypePattern};
use poem_openapi::{OpenApi, param::Header};
use service_kit::{
    Caller, Problem,
    events::live::{Live, ServerSentEvents},
};

use crate::case::api::{Tag, require_moderator};

/// Moderators who can follow one process at a time.
pub const STREAMS: usize = 64;

/// The endpoint.
pub struct LiveApi {
    /// Streams.
    pub live: Live,
}

#[OpenApi(tag = "Tag::Moderation")]
impl LiveApi {
    /// Follow the queue
    ///
    /// Server-sent events: what happens to cases from now on, as CloudEvents 1.0 whose `subject` is the case: opened, reported,
    /// claimed, released, escalated, decided, confirmed, labelled, appealed. Read the case to see where it stands. Whoever
    /// reconnects with `Last-Event-ID` misses nothing. The stream ends when the access token does.
    ///
    /// Fails with 400 for an id that is none, 401 without a token, 403 for anyone but moderators and administrators, and 503
    /// while too many follow.
    #[oai(path = "/moderation/queue/events", method = "get", operation_id = "followQueue")]
    async fn follow(
        &self,
        caller: Caller,
        /// The id of the last event that was received.
        #[oai(name = "Last-Event-ID", validator(max_length = 2000))]
        last_event_id: Header<Option<String>>,
    ) -> Result<ServerSentEvents, Problem> {
        require_moderator(&caller)?;
        let cases: TypePattern =
            "case.*".parse().map_err(|error: FilterError| Problem::internal(&error))?;
        let filter = Filter { types: vec![cases], ..Filter::default() };
        self.live.follow(&caller, filter, last_event_id.0).await
    }
}
