//! The reader's side: asking, reading, and letting go of what was made durable.

use std::time::{Duration, Instant};

use fred::{
    clients::Client,
    error::Error,
    interfaces::{KeysInterface, StreamsInterface},
    types::{
        Value,
        streams::{XCapKind, XCapTrim},
    },
};
use metrics::counter;
use uuid::Uuid;

use super::{WINDOW, catch_up_key};
use crate::{
    control::{CatchUpRequest, Message, send},
    redis::{BLOCK, blocking, once},
    rules::Page,
    stream::{Entry, StreamKey, entries},
};

/// How long to wait for an answer before asking again.
const REPEAT: Duration = Duration::from_secs(1);

/// How many entries are let go at once.
const SLICE: u64 = 250;

/// Reads stored events of one partition from its producer, in order and without a hole.
pub(crate) struct Reader {
    /// Its blocking reads stall every other command.
    redis: Client,
    key: StreamKey,
    group: String,
    through: Option<u64>,
    run: Uuid,
    /// The last entry that was given out.
    cursor: u64,
    /// The last one that the caller will never ask for again.
    durable: u64,
    /// The last one that Redis was told to forget.
    forgotten: u64,
    /// The last request: when, and from where.
    asked: Option<(Instant, u64)>,
}

impl Reader {
    /// A reader for `group` of what comes after a sequence number, up to and including `through` if that is known.
    pub(crate) fn new(
        redis: &Client,
        group: &str,
        key: StreamKey,
        after: u64,
        through: Option<u64>,
    ) -> Self {
        Self {
            redis: redis.clone(),
            key,
            group: group.to_owned(),
            through,
            run: new_run(),
            cursor: after,
            durable: after,
            forgotten: after,
            asked: None,
        }
    }

    /// The last entry that was given out.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Whether everything that was wanted has been given out.
    pub(crate) fn is_complete(&self) -> bool {
        self.through.is_some_and(|through| self.cursor >= through)
    }

    /// The next entries, in order, at most `count`; none if nothing came for half a second.
    ///
    /// # Errors
    ///
    /// If Redis fails. The reader stands where it stood, and may be asked again.
    pub(crate) async fn next(&mut self, count: u64) -> Result<Vec<Entry>, Error> {
        if self.is_complete() {
            return Ok(Vec::new());
        }
        self.forget().await?;
        self.ask().await?;
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let reply: Option<Value> = blocking(&self.redis)
            .xread(Some(count), Some(block), self.stream(), format!("{}-0", self.cursor))
            .await?;
        let mut page = entries(reply);
        let Page { new, gap, .. } = Page::of(self.cursor, page.iter().map(|entry| entry.sequence));
        if gap.is_some() && new.is_empty() {
            // The stream ended by itself and began again further on, or somebody deleted from it.
            self.restart().await?;
            return Ok(Vec::new());
        }
        page.truncate(new.len());
        if let Some(through) = self.through {
            page.retain(|entry| entry.sequence <= through);
        }
        if let Some(last) = page.last() {
            self.cursor = last.sequence;
            counter!("events_catch_up_read_total").increment(page.len() as u64);
        }
        Ok(page)
    }

    /// Says that everything up to a sequence number needs no reading again; Redis forgets it with a later read.
    pub(crate) fn durable(&mut self, sequence: u64) {
        self.durable = self.durable.max(sequence.min(self.cursor));
    }

    async fn forget(&mut self) -> Result<(), Error> {
        if self.durable - self.forgotten < SLICE {
            return Ok(());
        }
        let keep_from = format!("{}-0", self.durable.saturating_add(1));
        let cap = (XCapKind::MinID, XCapTrim::Exact, keep_from, None);
        let () = once(&self.redis).xtrim(self.stream(), cap).await?;
        self.forgotten = self.durable;
        Ok(())
    }

    /// Lets Redis forget the rest.
    ///
    /// # Errors
    ///
    /// If Redis fails. It forgets by itself in a minute then.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        once(&self.redis).unlink(self.stream()).await
    }

    /// Asks every second, and when half of what was asked for is durable.
    async fn ask(&mut self) -> Result<(), Error> {
        let is_due = match self.asked {
            None => true,
            // Repeated also while entries come, so that the stream outlives a slow reader.
            Some((at, from)) => {
                at.elapsed() >= REPEAT || self.durable.saturating_sub(from) >= WINDOW / 2
            }
        };
        if !is_due {
            return Ok(());
        }
        let request = CatchUpRequest {
            group: self.group.clone(),
            partition: self.key.partition,
            run: self.run,
            after: self.durable,
            through: self.through,
        };
        send(&self.redis, self.key.service, &Message::CatchUp(request)).await?;
        self.asked = Some((Instant::now(), self.durable));
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), Error> {
        self.close().await?;
        self.run = new_run();
        self.durable = self.cursor;
        self.forgotten = self.cursor;
        self.asked = None;
        Ok(())
    }

    fn stream(&self) -> String {
        catch_up_key(self.key.service, self.key.partition, &self.group, self.run)
    }
}

#[expect(clippy::disallowed_methods, reason = "names one run; nothing is ordered by it")]
fn new_run() -> Uuid {
    Uuid::new_v4()
}
