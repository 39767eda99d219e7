//! The consumer group in Redis: created, positioned, read and acknowledged, always at the watermark that PostgreSQL knows.

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, StreamsInterface},
    types::{ClusterHash, CustomCommand, Value},
};

use crate::{
    redis::{BLOCK, blocking, once},
    stream::{Entry, StreamKey, entries},
};

/// The one member of every group. The lease says which process may call itself that, so a new owner finds what the last
/// one left pending under the same name, and no names pile up.
const MEMBER: &str = "owner";

/// Entries per read; also the most that one crash can redeliver.
const COUNT: u64 = 256;

pub(super) struct Group<'a> {
    pub(super) redis: &'a Client,
    pub(super) name: &'static str,
    pub(super) key: StreamKey,
}

impl Group<'_> {
    /// Makes the group exist and puts it at the watermark: whatever comes after will be read, whatever Redis has forgotten.
    pub(super) async fn position(&self, watermark: u64) -> Result<(), Error> {
        let (key, id, read) =
            (self.key.to_string(), format!("{watermark}-0"), watermark.to_string());
        let created: Result<Value, Error> = self
            .custom(
                "XGROUP",
                vec!["CREATE", &key, self.name, &id, "MKSTREAM", "ENTRIESREAD", &read],
            )
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(error) if error.details().starts_with("BUSYGROUP") => {
                self.custom("XGROUP", vec!["SETID", &key, self.name, &id, "ENTRIESREAD", &read])
                    .await
            }
            Err(error) => Err(error),
        }
    }

    /// What was delivered to the last owner and never acknowledged, one page after a sequence number.
    pub(super) async fn pending_after(&self, sequence: u64) -> Result<Vec<Entry>, Error> {
        let reply: Option<Value> = once(self.redis)
            .xreadgroup(
                self.name,
                MEMBER,
                Some(COUNT),
                None,
                false,
                self.key.to_string(),
                format!("{sequence}-0"),
            )
            .await?;
        Ok(entries(reply))
    }

    /// What is new; empty when nothing came within the block time.
    pub(super) async fn read(&self) -> Result<Vec<Entry>, Error> {
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let reply: Option<Value> = blocking(self.redis)
            .xreadgroup(
                self.name,
                MEMBER,
                Some(COUNT),
                Some(block),
                false,
                self.key.to_string(),
                ">",
            )
            .await?;
        Ok(entries(reply))
    }

    /// Acknowledges entries; returns how many of them were pending.
    pub(super) async fn acknowledge(&self, sequences: &[u64]) -> Result<u64, Error> {
        if sequences.is_empty() {
            return Ok(0);
        }
        let ids: Vec<String> = sequences.iter().map(|sequence| format!("{sequence}-0")).collect();
        once(self.redis).xack(self.key.to_string(), self.name, ids).await
    }

    async fn custom<R: fred::types::FromValue>(
        &self,
        command: &'static str,
        arguments: Vec<&str>,
    ) -> Result<R, Error> {
        let arguments: Vec<String> = arguments.into_iter().map(ToOwned::to_owned).collect();
        let hash = ClusterHash::Custom(fred::util::redis_keyslot(self.key.to_string().as_bytes()));
        once(self.redis).custom(CustomCommand::new_static(command, hash, false), arguments).await
    }
}

/// Whether the group or its stream is gone, which fred reports as an unknown error with Redis's own words.
pub(super) fn is_gone(error: &Error) -> bool {
    error.details().starts_with("NOGROUP") || error.details().starts_with("UNBLOCKED")
}
