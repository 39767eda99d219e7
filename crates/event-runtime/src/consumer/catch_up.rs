//! What an owner reads when a stream does not have the event after its watermark: the producer's store, through catch-up.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use fred::clients::Client;
use tokio::sync::Mutex;

use super::{
    error::OwnerError,
    group::Group,
    source::{Read, Source},
};
use crate::{catch_up::Reader, relay::ends, rules::Gap};

/// The source to read before the stream, if the stream begins later than at `watermark + 1`, or skipped that number (`gap` is
/// what came in its place). `None` to read the stream.
pub(super) async fn open(
    group: &Group,
    redis: &Client,
    watermark: u64,
    gap: Option<Gap>,
) -> Result<Option<Box<dyn Source>>, OwnerError> {
    let expected = watermark.saturating_add(1);
    let ends = ends(redis, &group.key.to_string()).await?;
    let found = match gap {
        Some(gap) if gap.expected == expected => gap.found,
        _ if ends.lack_after(watermark) => {
            ends.first.unwrap_or(ends.tail.sequence.saturating_add(1))
        }
        _ => return Ok(None),
    };
    tracing::info!(
        group = group.name, stream = %group.key, from = expected, through = found - 1,
        "asking the producer for what the stream does not hold"
    );
    Ok(Some(Box::new(Stored::new(group, redis, watermark, found.saturating_sub(1)))))
}

/// Stored events up to a sequence number.
pub(super) struct Stored {
    reader: Mutex<Reader>,
    durable: AtomicU64,
}

impl Stored {
    /// What comes after `watermark`, up to and including `through`. It is read through `redis`, which nothing else may use.
    pub(super) fn new(group: &Group, redis: &Client, watermark: u64, through: u64) -> Self {
        let reader = Reader::new(redis, group.name, group.key, watermark, Some(through));
        Self { reader: Mutex::new(reader), durable: AtomicU64::new(watermark) }
    }
}

#[async_trait]
impl Source for Stored {
    async fn read(&self, count: u64) -> Result<Read, OwnerError> {
        let mut reader = self.reader.lock().await;
        reader.durable(self.durable.load(Ordering::Acquire));
        if reader.is_complete() {
            reader.close().await?;
            return Ok(Read::Over);
        }
        Ok(Read::Entries(reader.next(count).await?))
    }

    async fn settle(&self, _: &[u64], watermark: u64) -> Result<(), OwnerError> {
        // Redis forgets it with the next read.
        self.durable.fetch_max(watermark, Ordering::AcqRel);
        Ok(())
    }

    fn is_live(&self) -> bool {
        false
    }
}
