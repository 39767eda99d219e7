//! A replay as text.

use event_runtime::RecordedEvent;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::Sink;
use crate::ArchiveError;

/// Writes one CloudEvents document per line, for example to standard output.
#[derive(Debug)]
pub struct Lines<W>(W);

impl<W: AsyncWrite + Unpin + Send> Lines<W> {
    /// Lines to a writer; every call of [`put`](Sink::put) flushes it.
    pub fn new(writer: W) -> Self {
        Self(writer)
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.0
    }
}

#[async_trait::async_trait]
impl<W: AsyncWrite + Unpin + Send> Sink for Lines<W> {
    async fn put(&mut self, events: &[RecordedEvent]) -> Result<(), ArchiveError> {
        let mut text = Vec::new();
        for event in events {
            serde_json::to_writer(&mut text, &event.envelope())
                .map_err(ArchiveError::json(format!("event {}", event.id)))?;
            text.push(b'\n');
        }
        self.0.write_all(&text).await.map_err(ArchiveError::Receiver)?;
        self.0.flush().await.map_err(ArchiveError::Receiver)
    }
}
