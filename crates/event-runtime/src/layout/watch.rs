//! Following another service's layout.

use std::{sync::Arc, time::Duration};

use fred::clients::Client;
use shared_schemas::Service;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{AnnounceError, Layout, announced};
use crate::{
    error::chain,
    redis::{backoff, close, recover},
};

/// How often the announcement is looked at: how late a reader learns of a new generation.
const LOOK: Duration = Duration::from_secs(1);

/// How often while there is none.
const WAIT: Duration = Duration::from_millis(100);

/// The layout of a service as this process knows it. Copies share what they know.
#[derive(Clone)]
pub struct Watch {
    service: Service,
    known: watch::Receiver<Option<Arc<Layout>>>,
}

impl Watch {
    /// A watch over its own Redis client, and the task that keeps it up to date until told to stop.
    pub fn new(
        service: Service,
        redis: Client,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tell, known) = watch::channel(None);
        (Self { service, known }, look(service, redis, tell, shutdown))
    }

    /// Whose layout it is.
    pub fn service(&self) -> Service {
        self.service
    }

    /// What is known by now.
    pub fn get(&self) -> Option<Arc<Layout>> {
        self.known.borrow().clone()
    }

    /// Waits until anything is known. Never returns if the watch ended before.
    pub async fn known(&mut self) -> Arc<Layout> {
        loop {
            if let Some(layout) = self.known.borrow_and_update().clone() {
                return layout;
            }
            if self.known.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits for a generation after this one. Never returns if the watch ended before.
    pub async fn later_than(&mut self, epoch: u32) -> Arc<Layout> {
        loop {
            let layout = self.known.borrow_and_update().clone();
            if let Some(layout) = layout.filter(|layout| layout.epoch() > epoch) {
                return layout;
            }
            if self.known.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn look(
    service: Service,
    redis: Client,
    tell: watch::Sender<Option<Arc<Layout>>>,
    shutdown: CancellationToken,
) {
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        let pause = match announced(&redis, service).await {
            Ok(layout) => {
                failures = 0;
                if let Some(layout) = layout {
                    tell.send_if_modified(|known| is_news(service, known, layout));
                }
                if tell.borrow().is_some() { LOOK } else { WAIT }
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%service, error = chain(&error), "layout cannot be read");
                }
                if let AnnounceError::Redis(cause) = &error {
                    recover(&redis, cause).await;
                }
                backoff(failures)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(pause) => (),
        }
    }
    close(&redis).await;
}

/// Takes what was read, unless a later generation is known already: a relay that slept may announce what it remembers.
fn is_news(service: Service, known: &mut Option<Arc<Layout>>, layout: Layout) -> bool {
    match known {
        Some(before) if **before == layout || before.epoch() > layout.epoch() => return false,
        Some(before) if before.epoch() < layout.epoch() => {
            tracing::info!(%service, epoch = layout.epoch(), partitions = layout.partitions(), "new generation of streams");
        }
        Some(_) | None => (),
    }
    *known = Some(Arc::new(layout));
    true
}
