//! One document and one page for all services, made of theirs.

mod merge;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use poem::{Route, endpoint::make, get};
use service_kit::docs;
use tokio::sync::Mutex;

use crate::{
    proxy::Proxy,
    routes::{PerUpstream, Upstream},
};

/// How long the documents of all services are kept.
const KEEP: Duration = Duration::from_secs(30);

/// How long they are kept while one is missing: it should appear soon after its service does.
const KEEP_PARTIAL: Duration = Duration::from_secs(3);

/// How long a service may take to send its document.
const FETCH: Duration = Duration::from_secs(1);

/// Bytes of a document.
const DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// The services' documents as one.
pub(crate) struct Documents {
    proxy: Arc<Proxy>,
    /// Held while documents are fetched, so that they are fetched once for all who wait.
    rendered: Mutex<Option<Rendered>>,
}

#[derive(Clone)]
struct Rendered {
    until: Instant,
    document: Arc<str>,
    page: Arc<str>,
}

impl Documents {
    /// Documents that are fetched when they are asked for.
    pub(crate) fn new(proxy: Arc<Proxy>) -> Self {
        Self { proxy, rendered: Mutex::new(None) }
    }

    async fn rendered(&self) -> Rendered {
        let mut rendered = self.rendered.lock().await;
        if let Some(kept) = rendered.as_ref().filter(|kept| Instant::now() < kept.until) {
            return kept.clone();
        }
        let (auth, post, interaction, moderation, engagement, minting) = tokio::join!(
            self.fetch(Upstream::Auth),
            self.fetch(Upstream::Post),
            self.fetch(Upstream::Interaction),
            self.fetch(Upstream::Moderation),
            self.fetch(Upstream::Engagement),
            self.fetch(Upstream::Minting),
        );
        let fetched = PerUpstream { auth, post, interaction, moderation, engagement, minting };
        let complete = Upstream::ALL.iter().all(|upstream| fetched.get(*upstream).is_some());
        let document = merge::merge(&fetched);
        let fresh = Rendered {
            until: Instant::now() + if complete { KEEP } else { KEEP_PARTIAL },
            page: docs::page(&document).into(),
            document: document.to_string().into(),
        };
        *rendered = Some(fresh.clone());
        fresh
    }

    async fn fetch(&self, upstream: Upstream) -> Option<serde_json::Value> {
        match self.proxy.fetch(upstream, "/openapi.json", DOCUMENT_BYTES, FETCH).await {
            Ok(document) => Some(document),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::info!(service = upstream.name(), error, "no document");
                None
            }
        }
    }
}

/// Adds `/docs` and `/openapi.json`.
pub(crate) fn routes(routes: Route, documents: &Arc<Documents>) -> Route {
    let (page, text) = (Arc::clone(documents), Arc::clone(documents));
    routes
        .at(
            "/docs",
            get(make(move |_| {
                let documents = Arc::clone(&page);
                async move { docs::page_response(documents.rendered().await.page.to_string()) }
            })),
        )
        .at(
            "/openapi.json",
            get(make(move |_| {
                let documents = Arc::clone(&text);
                async move {
                    docs::document_response(documents.rendered().await.document.to_string())
                }
            })),
        )
}
