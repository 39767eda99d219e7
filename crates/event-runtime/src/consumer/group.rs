//! The consumer group in Redis: created, positioned, read and acknowledged, always at the watermark that PostgreSQL knows.

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

/// A delivered entry that was not acknowledged.
pub(super) struct Pending {
    pub(super) sequence: u64,
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
    let id = fields.into_iter().next()?.into_string()?;
    Some(Pending { sequence: sequence_of(&id)? })
}

/// Whether the group or its stream is gone, which fred reports as an unknown error with Redis's own words.
pub(super) fn is_gone(error: &Error) -> bool {
    error.details().starts_with("NOGROUP") || error.details().starts_with("UNBLOCKED")
}
