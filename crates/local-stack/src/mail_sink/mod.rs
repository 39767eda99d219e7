//! A mail server that delivers nothing: it keeps what it gets for people and tests to read.

mod http;
mod smtp;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use mail_parser::MessageParser;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many messages are kept; older ones go first.
const KEPT: usize = 1000;

/// One message that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Counts up from 1.
    pub id: u64,
    /// The address in MAIL FROM.
    pub from: String,
    /// The addresses in RCPT TO.
    pub to: Vec<String>,
    /// The subject, decoded; empty when there is none.
    pub subject: String,
    /// The body as plain text, decoded; made from HTML when there is nothing else.
    pub text: String,
    /// When the last line came in.
    pub received_at: DateTime<Utc>,
}

/// A running mail sink; it stops when this is dropped.
#[derive(Debug)]
pub struct MailSink {
    smtp_port: u16,
    http_port: u16,
    mailbox: Mailbox,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl MailSink {
    /// Listens on two ports of 127.0.0.1; 0 takes any free one.
    ///
    /// # Errors
    ///
    /// When a port is in use.
    pub async fn start(smtp_port: u16, http_port: u16) -> Result<Self> {
        let smtp = listen(smtp_port).await?;
        let http = listen(http_port).await?;
        let sink = Self {
            smtp_port: smtp.local_addr()?.port(),
            http_port: http.local_addr()?.port(),
            mailbox: Mailbox::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let tasks = sink.tasks.clone();
        sink.tasks.spawn(smtp::serve(smtp, sink.mailbox.clone(), sink.stop.clone(), tasks));
        sink.tasks.spawn(http::serve(http, sink.mailbox.clone(), sink.stop.clone())?);
        sink.tasks.close();
        Ok(sink)
    }

    /// Where mail is sent to, `smtp://127.0.0.1:<port>`.
    pub fn smtp_url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.smtp_port)
    }

    /// Where mail is read, `http://127.0.0.1:<port>`.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The messages to `address`, or all, newest first.
    pub fn messages(&self, address: Option<&str>) -> Vec<Message> {
        self.mailbox.list(address)
    }

    /// Stops listening and ends open connections.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("the mail sink cannot listen on port {port}"))
}

/// The messages, shared by both sides.
#[derive(Clone, Debug, Default)]
struct Mailbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    /// Oldest first.
    messages: VecDeque<Message>,
}

impl Mailbox {
    /// Keeps a message as it came over the wire.
    fn keep(&self, from: String, to: Vec<String>, raw: &[u8]) {
        let parsed = MessageParser::default().parse(raw);
        let text = parsed.as_ref().and_then(|message| message.body_text(0));
        let subject = parsed.as_ref().and_then(|message| message.subject());

        let mut kept = self.lock();
        kept.last_id += 1;
        let message = Message {
            id: kept.last_id,
            from,
            to,
            subject: subject.unwrap_or_default().to_owned(),
            // What cannot be parsed as a message is shown as it is.
            text: text.map_or_else(|| String::from_utf8_lossy(raw).into_owned(), Into::into),
            received_at: now(),
        };
        kept.messages.push_back(message);
        if kept.messages.len() > KEPT {
            kept.messages.pop_front();
        }
    }

    fn list(&self, address: Option<&str>) -> Vec<Message> {
        let is_to = |message: &&Message| {
            address
                .is_none_or(|address| message.to.iter().any(|to| to.eq_ignore_ascii_case(address)))
        };
        self.lock().messages.iter().rev().filter(is_to).cloned().collect()
    }

    fn find(&self, id: u64) -> Option<Message> {
        self.lock().messages.iter().find(|message| message.id == id).cloned()
    }

    fn clear(&self) {
        self.lock().messages.clear();
    }

    /// Nothing is left half-done when a holder of the lock panics.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sink stands for a foreign server with its own clock"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}
