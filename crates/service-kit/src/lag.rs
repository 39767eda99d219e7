//! How much work waits, for whoever decides how many processes there should be.

use std::{error::Error, sync::Arc};

use event_runtime::Runtime;
use poem::{IntoResponse, Response, Route, endpoint::make, get, http::StatusCode, web::Json};
use serde_json::json;

/// Adds `/lag`: numbers only, 0 when nothing waits. 503 when the numbers are not known, which is not 0.
pub(crate) fn route(routes: Route, runtime: Arc<Runtime>) -> Route {
    routes.at(
        "/lag",
        get(make(move |_| {
            let runtime = Arc::clone(&runtime);
            async move { lag(&runtime).await }
        })),
    )
}

async fn lag(runtime: &Runtime) -> Response {
    match runtime.lag().await {
        Ok(report) => Json(report).into_response(),
        Err(error) => {
            tracing::debug!(error = &error as &dyn Error, "lag is not known");
            Json(json!({ "obstacles": [error.to_string()] }))
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
                .into_response()
        }
    }
}
