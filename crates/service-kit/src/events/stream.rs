//! A stream: a task reads ahead a little, the connection takes what the client reads.

use std::{io, time::Duration};

use bytes::Bytes;
use event_runtime::{
    error::chain,
    history::{Follower, POLL},
};
use futures_util::stream;
use metrics::gauge;
use poem::Body;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::form::Form;
use crate::{Trust, trust::Claims};

/// Events read at once.
const BATCH: u16 = 100;

/// Bytes sent at once, and at most one event more.
const PIECE: usize = 256 * 1024;

/// Pieces read ahead: with the batch that is in hand, what a slow reader can make the process hold.
const AHEAD: usize = 2;

/// How long a reader may take nothing before it is let go.
const SLOW: Duration = Duration::from_secs(30);

/// How long a stream says nothing at most.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// One stream.
pub(super) struct Streaming {
    pub(super) follower: Follower,
    pub(super) form: Form,
    /// Whether it goes on at the head.
    pub(super) follow: bool,
    pub(super) trust: Trust,
    /// Whoever reads; the stream ends when they are believed no longer.
    pub(super) claims: Claims,
    pub(super) shutdown: CancellationToken,
    /// Given back when the stream ends.
    pub(super) place: OwnedSemaphorePermit,
}

/// Why a stream ends before its end.
enum End {
    /// The client went away, or does not read.
    Unread,
    /// The store cannot be read, or an event cannot be shown.
    Failed(String),
}

impl Streaming {
    /// Begins to read; the body ends when the reading does.
    pub(super) fn start(self, tasks: &TaskTracker) -> Body {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tasks.spawn(self.run(sender));
        Body::from_bytes_stream(stream::unfold(receiver, |mut receiver| async {
            let text: String = receiver.recv().await?;
            Some((Ok::<_, io::Error>(Bytes::from(text)), receiver))
        }))
    }

    async fn run(mut self, sender: mpsc::Sender<String>) {
        gauge!("events_followers").increment(1.0);
        match self.read(&sender).await {
            Ok(()) | Err(End::Unread) => (),
            // The client sees an end and continues at its cursor.
            Err(End::Failed(error)) => tracing::warn!(error, "a stream of events broke off"),
        }
        gauge!("events_followers").decrement(1.0);
        drop(self.place);
    }

    async fn read(&mut self, sender: &mpsc::Sender<String>) -> Result<(), End> {
        let mut said = Instant::now();
        let mut prologue = self.form.prologue().to_owned();
        while self.trust.holds(&self.claims) && !self.shutdown.is_cancelled() {
            let mut cursor = self.follower.cursor().clone();
            let batch = self.follower.next(BATCH).await;
            let batch = batch.map_err(|error| End::Failed(chain(&error)))?;
            let mut text = std::mem::take(&mut prologue);
            for event in &batch.events {
                cursor.advance(event.partition, event.sequence.unwrap_or(0));
                self.form
                    .event(event, &cursor, &mut text)
                    .map_err(|error| End::Failed(chain(&error)))?;
                if text.len() >= PIECE {
                    send(sender, std::mem::take(&mut text)).await?;
                    said = Instant::now();
                }
            }
            if text.is_empty() && said.elapsed() >= HEARTBEAT {
                text = self.form.heartbeat(self.follower.cursor());
            }
            if !text.is_empty() {
                send(sender, text).await?;
                said = Instant::now();
            }
            if batch.at_head {
                if !self.follow {
                    return Ok(());
                }
                tokio::select! {
                    () = self.shutdown.cancelled() => (),
                    () = sender.closed() => return Err(End::Unread),
                    () = tokio::time::sleep(POLL) => (),
                }
            }
        }
        Ok(())
    }
}

async fn send(sender: &mpsc::Sender<String>, text: String) -> Result<(), End> {
    match timeout(SLOW, sender.send(text)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_closed)) => Err(End::Unread),
        Err(_elapsed) => {
            tracing::debug!(seconds = SLOW.as_secs(), "a reader of events does not read");
            Err(End::Unread)
        }
    }
}
