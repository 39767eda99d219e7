//! A replay as Redis streams of its own, which consumer groups of their own can read.

use std::{collections::BTreeMap, time::Duration};

use event_runtime::{RecordedEvent, stream};
use fred::{clients::Client, interfaces::LuaInterface as _};
use shared_schemas::Service;

use super::Sink;
use crate::ArchiveError;

const SCRIPT: &str = include_str!("append.lua");

/// Events per script call: Redis serves nobody else meanwhile.
const CALL: usize = 100;

/// How often a full window is looked at again.
const WAIT: Duration = Duration::from_millis(100);

/// What bounds the streams of a replay.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// Entries of one stream at a time, 1 or more: the replay waits until the groups have read. Without any group it waits when
    /// the window is full.
    pub window: u32,
    /// How long a stream is kept after the replay has touched it last.
    pub time_to_live: Duration,
}

impl Default for StreamOptions {
    /// 10 000 entries, one hour.
    fn default() -> Self {
        Self { window: 10_000, time_to_live: Duration::from_hours(1) }
    }
}

/// Appends events to the streams `replay:{<service>.p<N>}:<run>`, in the form and under the ids that they have in the streams
/// of their services. Appending again what is there already changes nothing, so an interrupted replay can begin anywhere.
pub struct ReplayStream {
    redis: Client,
    run: String,
    options: StreamOptions,
}

impl ReplayStream {
    /// The streams of one run over a connected client; the run's name is part of their keys.
    pub fn new(redis: Client, run: &str, options: StreamOptions) -> Self {
        Self { redis, run: run.to_owned(), options }
    }

    /// The key of one stream.
    pub fn key(&self, service: Service, partition: u16) -> String {
        format!("replay:{{{service}.p{partition}}}:{}", self.run)
    }

    /// Appends events of one partition; waits while its window is full.
    async fn append(&self, key: &str, events: &[&RecordedEvent]) -> Result<(), ArchiveError> {
        let mut rest = events;
        while let Some(last) = rest.last() {
            let mut arguments = vec![
                self.options.window.max(1).to_string(),
                self.options.time_to_live.as_secs().max(1).to_string(),
            ];
            for event in rest.iter().take(CALL) {
                arguments.push(event.sequence.unwrap_or(0).to_string());
                let entry = stream::encode(event)
                    .map_err(ArchiveError::json(format!("event {}", event.id)))?;
                arguments.push(entry);
            }
            let reached: String = self.redis.eval(SCRIPT, key, arguments).await?;
            let reached: u64 = reached.parse().unwrap_or(0);
            if last.sequence <= Some(reached) {
                return Ok(());
            }
            let left = rest.iter().position(|event| event.sequence > Some(reached));
            let taken = left.unwrap_or(rest.len());
            if taken < CALL.min(rest.len()) {
                tokio::time::sleep(WAIT).await;
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Sink for ReplayStream {
    async fn put(&mut self, events: &[RecordedEvent]) -> Result<(), ArchiveError> {
        let mut streams: BTreeMap<String, Vec<&RecordedEvent>> = BTreeMap::new();
        for event in events {
            streams.entry(self.key(event.service, event.partition)).or_default().push(event);
        }
        for (key, events) in streams {
            self.append(&key, &events).await?;
        }
        Ok(())
    }
}
