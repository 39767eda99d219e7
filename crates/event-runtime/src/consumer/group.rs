//! The consumer group in Redis: created, positioned, read and acknowledged, always at the watermark that PostgreSQL knows.

use std::time::Duration;

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, StreamsInterface},
    types::{ClusterHash, CustomCommand, FromValue, Value},
};

use crate::{
    redis::{BLOCK, blocking, once},
    stream::{Entry, StreamKey, entries, sequence_of},
};

/// The one member of every ordered group. The lease says which process may call itself that, so a new owner finds what the
/// last one left pending under the same name, and no names pile up.
pub(super) const MEMBER: &str = "owner";

/// Entries per page of a list of what is pending.
const PAGE: &str = "1000";

/// Entries that are claimed at once.
const CLAIM: &str = "64";

/// Where a round of claims begins, and what comes after its end.
pub(super) const BEGIN: &str = "0-0";

/// A delivered entry that was not acknowledged.
pub(super) struct Pending {
    pub(super) sequence: u64,
    /// How often it was delivered, by the last time the group was positioned.
    pub(super) deliveries: u64,
}

/// One page of claimed entries.
pub(super) struct Claimed {
    pub(super) next: String,
    pub(super) entries: Vec<Entry>,
    pub(super) lost: usize,
}

#[derive(Clone)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) key: StreamKey,
}

impl Group {
    /// Makes the group exist and puts it at the watermark: whatever comes after will be read, whatever Redis has forgotten.
    pub(super) async fn position(&self, redis: &Client, watermark: u64) -> Result<(), Error> {
        if self.create(redis, watermark).await? {
            return Ok(());
        }
        let (key, id, read) =
            (self.key.to_string(), format!("{watermark}-0"), watermark.to_string());
        self.custom(redis, "XGROUP", vec!["SETID", &key, self.name, &id, "ENTRIESREAD", &read])
            .await
    }

    /// Makes the group at the watermark if there is none; `false` if there is.
    pub(super) async fn create(&self, redis: &Client, watermark: u64) -> Result<bool, Error> {
        let (key, id, read) =
            (self.key.to_string(), format!("{watermark}-0"), watermark.to_string());
        let create = vec!["CREATE", &key, self.name, &id, "MKSTREAM", "ENTRIESREAD", &read];
        match self.custom::<Value>(redis, "XGROUP", create).await {
            Ok(_) => Ok(true),
            Err(error) if error.details().starts_with("BUSYGROUP") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was delivered to anybody and never acknowledged, one page after a sequence number.
    pub(super) async fn pending_after(
        &self,
        redis: &Client,
        sequence: u64,
    ) -> Result<Vec<Pending>, Error> {
        let (key, start) = (self.key.to_string(), format!("({sequence}-0"));
        let page: Vec<Value> =
            self.custom(redis, "XPENDING", vec![&key, self.name, &start, "+", PAGE]).await?;
        Ok(page.into_iter().filter_map(pending).collect())
    }

    /// How many entries were delivered and not acknowledged, and how long ago the first of them was delivered last.
    pub(super) async fn pending(&self, redis: &Client) -> Result<(u64, Duration), Error> {
        let key = self.key.to_string();
        let summary: Vec<Value> = self.custom(redis, "XPENDING", vec![&key, self.name]).await?;
        let count = summary.first().and_then(Value::as_u64).unwrap_or(0);
        if count == 0 {
            return Ok((0, Duration::ZERO));
        }
        let first: Vec<Value> =
            self.custom(redis, "XPENDING", vec![&key, self.name, "-", "+", "1"]).await?;
        let Some(Value::Array(first)) = first.into_iter().next() else {
            return Ok((0, Duration::ZERO));
        };
        let idle = first.get(2).and_then(Value::as_u64).unwrap_or(0);
        Ok((count, Duration::from_millis(idle)))
    }

    /// What is new, at most `count`; empty when nothing came within the block time.
    pub(super) async fn read(
        &self,
        redis: &Client,
        member: &str,
        count: u64,
    ) -> Result<Vec<Entry>, Error> {
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let reply: Option<Value> = blocking(redis)
            .xreadgroup(
                self.name,
                member,
                Some(count),
                Some(block),
                false,
                self.key.to_string(),
                ">",
            )
            .await?;
        Ok(entries(reply))
    }

    /// Entries that were delivered to others and have been idle for so long, now this member's: one page from `cursor`, and
    /// the cursor of the next one, `0-0` after the last. A page may be empty although others are not.
    pub(super) async fn claim(
        &self,
        redis: &Client,
        member: &str,
        idle: Duration,
        cursor: &str,
    ) -> Result<Claimed, Error> {
        let (key, idle) = (self.key.to_string(), idle.as_millis().to_string());
        let claim = vec![&key, self.name, member, &idle, cursor, "COUNT", CLAIM];
        let reply: Vec<Value> = self.custom(redis, "XAUTOCLAIM", claim).await?;
        let mut reply = reply.into_iter();
        let next = reply.next().and_then(Value::into_string).unwrap_or_else(|| BEGIN.to_owned());
        let entries = match reply.next() {
            Some(Value::Array(entries)) => entries.into_iter().filter_map(Entry::parse).collect(),
            _ => Vec::new(),
        };
        // Those that left the stream while they were pending: Redis has dropped them from its list.
        let lost = match reply.next() {
            Some(Value::Array(ids)) => ids.len(),
            _ => 0,
        };
        Ok(Claimed { next, entries, lost })
    }

    /// Says that a member is still at work on these, so that nobody else claims them.
    pub(super) async fn beat(
        &self,
        redis: &Client,
        member: &str,
        sequences: &[u64],
    ) -> Result<(), Error> {
        let key = self.key.to_string();
        let ids: Vec<String> = sequences.iter().map(|sequence| format!("{sequence}-0")).collect();
        let mut beat = vec![key.as_str(), self.name, member, "0"];
        beat.extend(ids.iter().map(String::as_str));
        beat.push("JUSTID");
        self.custom::<Value>(redis, "XCLAIM", beat).await?;
        Ok(())
    }

    /// Entries of the stream from one number to another, at most 1 000, whoever has them.
    pub(super) async fn range(
        &self,
        redis: &Client,
        from: u64,
        to: u64,
    ) -> Result<Vec<Entry>, Error> {
        let (from, to) = (format!("{from}-0"), format!("{to}-0"));
        let entries: Vec<Value> =
            once(redis).xrange(self.key.to_string(), from, to, Some(1_000)).await?;
        Ok(entries.into_iter().filter_map(Entry::parse).collect())
    }

    /// Acknowledges entries; returns how many of them were pending.
    pub(super) async fn acknowledge(
        &self,
        redis: &Client,
        sequences: &[u64],
    ) -> Result<u64, Error> {
        if sequences.is_empty() {
            return Ok(0);
        }
        let ids: Vec<String> = sequences.iter().map(|sequence| format!("{sequence}-0")).collect();
        once(redis).xack(self.key.to_string(), self.name, ids).await
    }

    pub(super) async fn custom<R: FromValue>(
        &self,
        redis: &Client,
        command: &'static str,
        arguments: Vec<&str>,
    ) -> Result<R, Error> {
        let arguments: Vec<String> = arguments.into_iter().map(ToOwned::to_owned).collect();
        let hash = ClusterHash::Custom(fred::util::redis_keyslot(self.key.to_string().as_bytes()));
        once(redis).custom(CustomCommand::new_static(command, hash, false), arguments).await
    }
}

/// One `[id, member, idle, deliveries]` of `XPENDING`.
fn pending(value: Value) -> Option<Pending> {
    let Value::Array(fields) = value else { return None };
    let mut fields = fields.into_iter();
    let id = fields.next()?.into_string()?;
    let deliveries = fields.nth(2).and_then(|count| count.as_u64()).unwrap_or(0);
    Some(Pending { sequence: sequence_of(&id)?, deliveries })
}

/// Whether the group or its stream is gone, which fred reports as an unknown error with Redis's own words.
pub(super) fn is_gone(error: &Error) -> bool {
    error.details().starts_with("NOGROUP") || error.details().starts_with("UNBLOCKED")
}
