//! The producer's side: answering requests from the store.

use fred::clients::Client;
use metrics::counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{WINDOW, catch_up_key};
use crate::{
    EventStore, RuntimeError,
    control::CatchUpRequest,
    error::chain,
    redis::{close, recover},
    relay::{PAGE, Page, append_for_a_while, ends},
    store::to_bigint,
    stream::StreamKey,
};

/// How many script calls an answer may take. Most of them are refused only while another process answers the same request.
const CALLS: u32 = 16;

/// Answers what readers of this service's events ask for.
pub(crate) struct Server {
    store: EventStore,
    redis: Client,
    requests: mpsc::Receiver<CatchUpRequest>,
}

impl Server {
    /// A server over its own Redis client.
    pub(crate) fn new(
        store: EventStore,
        redis: Client,
        requests: mpsc::Receiver<CatchUpRequest>,
    ) -> Self {
        Self { store, redis, requests }
    }

    /// Answers until told to stop. A request that fails is dropped: its reader repeats it.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut failing = false;
        loop {
            let request = tokio::select! {
                () = shutdown.cancelled() => break,
                request = self.requests.recv() => request,
            };
            let Some(request) = request else { break };
            match self.answer(&request).await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(
                            error = chain(&error),
                            group = request.group,
                            "events were asked for and cannot be given"
                        );
                    }
                    failing = true;
                    if let RuntimeError::Redis(cause) = &error {
                        recover(&self.redis, cause).await;
                    }
                }
            }
        }
        close(&self.redis).await;
    }

    /// Writes stored events until the reader has a window of them, or all that it wants, or all that there are.
    async fn answer(&self, request: &CatchUpRequest) -> Result<(), RuntimeError> {
        let CatchUpRequest { group, partition, run, after, through } = request;
        let key = catch_up_key(self.store.service(), *partition, group, *run);
        // Whatever the generation: the reader knows how far it wants to go.
        let whole = StreamKey::new(self.store.service(), *partition).at(0);
        let limit = after.saturating_add(WINDOW);
        let limit = through.map_or(limit, |through| through.min(limit));
        let mut last = ends(&self.redis, &key).await?.tail.sequence;
        for _ in 0..CALLS {
            let cursor = last.max(*after);
            let wanted = to_bigint(limit.saturating_sub(cursor)).min(PAGE);
            if wanted == 0 {
                break;
            }
            let page = Page::read(&self.store, whole, cursor, wanted).await?;
            let Some(end) = page.end() else { break };
            last = append_for_a_while(&self.redis, &key, last, &page).await?;
            if end == last {
                counter!("events_catch_up_served_total").increment(page.len() as u64);
            }
        }
        Ok(())
    }
}
