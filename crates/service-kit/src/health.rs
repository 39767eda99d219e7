//! Is the process alive, and may it be sent requests?

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_runtime::broadcast::CaughtUp;
use poem::{IntoResponse, Response, Route, endpoint::make, get, http::StatusCode, web::Json};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::json;

use crate::{Trust, telemetry};

/// How long a check may take; a probe that hangs is worse than one that fails.
const CHECK: Duration = Duration::from_millis(500);

/// What readiness depends on.
#[derive(Clone)]
pub struct Health {
    /// The service's database; a gateway has none.
    pub db: Option<DatabaseConnection>,
    /// Whether the history of keys and revocations has been read.
    pub caught_up: CaughtUp,
    /// Whether there is a key to verify tokens with.
    pub trust: Trust,
    /// Set when the process was told to stop.
    pub draining: Arc<AtomicBool>,
    /// What is not done although requests are served.
    pub degraded: Degraded,
}

/// What a process does not do although it serves requests, by name, and what can be done about it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Degraded(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Degraded {
    /// Something is not done from now on; says whether that is news.
    pub fn begin(&self, what: &'static str, why: String) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what, why).is_none()
    }

    /// It is done again; says whether that is news.
    pub fn end(&self, what: &'static str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(what).is_some()
    }

    fn reasons(&self) -> BTreeMap<&'static str, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Health {
    /// What stands in the way of serving; empty when nothing does.
    ///
    /// Redis is not asked: without it, writes are stored and wait in the outbox.
    async fn obstacles(&self) -> Vec<&'static str> {
        let mut obstacles = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            obstacles.push("draining");
        }
        if !self.caught_up.is_done() {
            obstacles.push("keys and revocations are being read");
        } else if !self.trust.has_keys() {
            obstacles.push("no signing key has been published");
        }
        if let Some(db) = &self.db {
            let answer = tokio::time::timeout(CHECK, db.execute_unprepared("SELECT 1")).await;
            if !matches!(answer, Ok(Ok(_))) {
                obstacles.push("the database does not answer");
            }
        }
        obstacles
    }

    async fn ready(&self) -> Response {
        let obstacles = self.obstacles().await;
        let status =
            if obstacles.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let degraded = self.degraded.reasons();
        let ready = obstacles.is_empty();
        Json(json!({ "ready": ready, "obstacles": obstacles, "degraded": degraded }))
            .with_status(status)
            .into_response()
    }
}

/// Adds `/livez`, `/readyz` and `/metrics`.
pub fn routes(routes: Route, health: Health) -> Route {
    let figures = telemetry::figures();
    routes
        .at("/livez", get(make(|_| async { Json(json!({ "alive": true })) })))
        .at(
            "/readyz",
            get(make(move |_| {
                let health = health.clone();
                async move { health.ready().await }
            })),
        )
        .at("/metrics", get(make(move |_| async move { figures.render() })))
}
