//! The side that shows mail.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::{Data, Html, Json, Path, Query};
use poem::{EndpointExt as _, Route, Server, get, handler};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Mailbox, Message};

/// Answers until `stop`.
pub(super) fn serve(
    listener: TcpListener,
    mailbox: Mailbox,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static> {
    let routes = Route::new()
        .at("/", get(page))
        .at("/messages", get(list).delete(clear))
        .at("/messages/:id", get(one))
        .data(mailbox);
    let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
    Ok(async move {
        let stopped = stop.cancelled_owned();
        // The only error is one of accepting, after which the sink is gone and its users say so.
        drop(
            server.run_with_graceful_shutdown(routes, stopped, Some(Duration::from_secs(1))).await,
        );
    })
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
}

#[handler]
fn list(Query(filter): Query<Filter>, Data(mailbox): Data<&Mailbox>) -> Json<Vec<Message>> {
    Json(mailbox.list(filter.to.as_deref()))
}

#[handler]
fn one(Path(id): Path<u64>, Data(mailbox): Data<&Mailbox>) -> poem::Result<Json<Message>> {
    mailbox.find(id).map(Json).ok_or_else(|| StatusCode::NOT_FOUND.into())
}

#[handler]
fn clear(Data(mailbox): Data<&Mailbox>) -> StatusCode {
    mailbox.clear();
    StatusCode::NO_CONTENT
}

#[handler]
fn page(Query(filter): Query<Filter>, Data(mailbox): Data<&Mailbox>) -> poem::Result<Html<String>> {
    let messages = mailbox.list(filter.to.as_deref());
    render(&messages).map(Html).map_err(poem::error::InternalServerError)
}

fn render(messages: &[Message]) -> Result<String, std::fmt::Error> {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mail sink</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{font:1rem/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}\
         article{border-top:1px solid;padding:1rem 0}pre{white-space:pre-wrap}</style>\
         <h1>Mail sink</h1><p>Mail that was sent, newest first. Nothing leaves this machine.</p>",
    );
    if messages.is_empty() {
        html.push_str("<p>No message yet.</p>");
    }
    for message in messages {
        write!(
            html,
            "<article id=\"{}\"><h2>{}</h2><p>{} to {}, {}</p><pre>{}</pre></article>",
            message.id,
            escape(&message.subject),
            escape(&message.from),
            escape(&message.to.join(", ")),
            message.received_at.format("%Y-%m-%d %H:%M:%S UTC"),
            escape(&message.text),
        )?;
    }
    html.push_str("</html>\n");
    Ok(html)
}

/// `text` as HTML text or attribute value.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
