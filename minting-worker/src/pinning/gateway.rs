//! The trustless gateway: `/ipfs/{cid}`, for anybody who hashes what they are given.

use std::sync::Arc;

use content_blocks::{
    Store,
    gateway::{self, Answer, Archive, Body as Answered, Query, Refusal},
};
use poem::{
    Body, Endpoint, Request, Response,
    endpoint::make,
    http::{StatusCode, header},
};
use sea_orm::DatabaseConnection;
use serde::Deserialize;
use service_kit::Problem;

use crate::metadata::view;

/// How many pieces of an archive may wait for a slow client.
const WAITING: usize = 4;

#[derive(Default, Deserialize)]
struct Parameters {
    format: Option<String>,
    #[serde(rename = "dag-scope")]
    scope: Option<String>,
}

struct Gateway {
    db: DatabaseConnection,
    store: Store,
}

/// The endpoint under `/ipfs/:cid`. Blocks of this machine that are no part of what some token says are not served.
pub fn endpoint(
    db: DatabaseConnection,
    store: Store,
) -> impl Endpoint<Output = Response> + 'static {
    let gateway = Arc::new(Gateway { db, store });
    make(move |request| {
        let gateway = Arc::clone(&gateway);
        async move {
            Ok::<_, poem::Error>(gateway.serve(&request).await.unwrap_or_else(Problem::response))
        }
    })
}

impl Gateway {
    async fn serve(&self, request: &Request) -> Result<Response, Problem> {
        let cid = request.raw_path_param("cid").unwrap_or_default().to_owned();
        let parameters: Parameters = request
            .params()
            .map_err(|error| Problem::bad_request("invalid-parameter", error.to_string()))?;
        let sent = |name| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (accept, if_none_match) = (sent(header::ACCEPT), sent(header::IF_NONE_MATCH));
        self.is_public(&cid).await?;
        let store = self.store.clone();
        let answer = tokio::task::spawn_blocking(move || {
            gateway::answer(
                store,
                Query {
                    cid: &cid,
                    format: parameters.format.as_deref(),
                    scope: parameters.scope.as_deref(),
                    accept: accept.as_deref(),
                    if_none_match: if_none_match.as_deref(),
                },
            )
        })
        .await
        .map_err(|error| Problem::internal(&error))?;
        answer.map(response).map_err(problem)
    }

    async fn is_public(&self, cid: &str) -> Result<(), Problem> {
        let Ok(named) = cid.parse::<content_blocks::Cid>() else {
            return Err(Problem::bad_request("invalid-cid", "the path is no CID"));
        };
        // As it was written: a CID has other spellings too.
        let Ok(digest) = <[u8; 32]>::try_from(named.hash().digest()) else {
            return Err(Problem::not_found("block"));
        };
        let written = content_blocks::raw_cid(&digest).to_string();
        if view::is_wanted(&self.db, &written).await? {
            return Ok(());
        }
        if view::is_gone(&self.db, &written).await? {
            return Err(Problem::new(
                StatusCode::GONE,
                "gone",
                "Gone",
                Some("the content behind this token was taken back".to_owned()),
            ));
        }
        Err(Problem::not_found("block"))
    }
}

fn response(answer: Answer<Store>) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    match answer.body {
        Answered::Empty => response.finish(),
        Answered::Block(bytes) => response.body(bytes),
        Answered::Archive(archive) => response.body(streamed(archive)),
    }
}

/// An archive as a body that is read from the disk no faster than it is taken.
pub fn streamed(archive: Archive<Store>) -> Body {
    let (pieces, taken) = tokio::sync::mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        for piece in archive {
            let piece = piece.map_err(std::io::Error::other);
            let is_last = piece.is_err();
            if pieces.blocking_send(piece).is_err() || is_last {
                break;
            }
        }
    });
    Body::from_bytes_stream(futures_util::stream::unfold(taken, |mut taken| async move {
        taken.recv().await.map(|piece| (piece, taken))
    }))
}

fn problem(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::BadRequest(detail) => Problem::bad_request("invalid-block-request", detail),
        Refusal::NotFound(_) => Problem::not_found("block"),
        Refusal::NotAcceptable => Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not-acceptable",
            "Not acceptable",
            Some(refusal.to_string()),
        ),
        Refusal::Store(error) => Problem::internal(&error),
    }
}
