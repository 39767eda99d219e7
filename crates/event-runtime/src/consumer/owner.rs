//! The life of an owner: position, recover, read, apply, acknowledge.

use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{
    Consumer,
    batch::Applied,
    group::{Group, is_gone},
};
use crate::{
    error::chain,
    lease::Ownership,
    redis::{backoff, recover},
    relay::last_sequence,
    rules::{Gap, Page},
    stream::Entry,
};

/// How often a busy owner reports its lag.
const OBSERVE: Duration = Duration::from_secs(1);

/// Why an owner has to begin again from its watermark.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnerError {
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
    #[error("the database failed")]
    Storage(#[from] DbErr),
    #[error("sequence {} came where {} was due", .0.found, .0.expected)]
    Gap(Gap),
    /// A newer owner is at work: this one has no business here any more.
    #[error("the lease belongs to another process")]
    Fenced,
}

impl Consumer {
    /// Works until the lease is lost or the process stops.
    pub(super) async fn own(&self, mut ownership: Ownership, stop: &CancellationToken) {
        let (group, key) = (self.subscription.group, self.subscription.key);
        let lost = ownership.lost.clone();
        let mut failures = 0;
        tracing::debug!(group, stream = %key, epoch = ownership.epoch, watermark = ownership.watermark, "partition taken");

        while !stop.is_cancelled() && !lost.is_cancelled() {
            let before = ownership.watermark;
            let Err(error) = self.follow(&mut ownership, stop).await else { return };
            if ownership.watermark > before {
                failures = 0;
            }
            failures += 1;
            match &error {
                OwnerError::Fenced => {
                    counter!("events_fenced_total").increment(1);
                    tracing::info!(group, stream = %key, "another process took the partition");
                    return;
                }
                OwnerError::Gap(_) => {
                    counter!("events_stream_gap_detected_total").increment(1);
                    tracing::warn!(group, stream = %key, error = chain(&error), "gap; waiting for the relay to fill it");
                }
                OwnerError::Redis(cause) if is_gone(cause) => {
                    tracing::warn!(group, stream = %key, "the group is gone; making it again at the watermark");
                }
                OwnerError::Storage(_) => {
                    // Whether the last commit took place is unknown: only the watermark in the database can tell.
                    tracing::warn!(group, stream = %key, error = chain(&error), "database interrupted the consumer");
                    return;
                }
                OwnerError::Redis(_) => {
                    // Once per change of state, whatever the outage lasts.
                    if failures == 1 {
                        tracing::warn!(group, stream = %key, error = chain(&error), "redis interrupted the consumer");
                    }
                }
            }
            if let OwnerError::Redis(cause) = &error {
                recover(&self.redis, cause).await;
            }
            tokio::select! {
                () = stop.cancelled() => (),
                () = lost.cancelled() => (),
                () = tokio::time::sleep(backoff(failures)) => (),
            }
        }
    }

    /// From the watermark on: acknowledges what the last owner committed without saying so, then reads and applies.
    async fn follow(
        &self,
        ownership: &mut Ownership,
        stop: &CancellationToken,
    ) -> Result<(), OwnerError> {
        let group =
            Group { redis: &self.redis, name: self.subscription.group, key: self.subscription.key };
        group.position(ownership.watermark).await?;
        self.recover_pending(&group, ownership.watermark).await?;

        let mut observed = Instant::now();
        while !stop.is_cancelled() && !ownership.lost.is_cancelled() {
            let entries = group.read().await?;
            let idle = entries.is_empty();
            if !idle {
                self.take(&group, ownership, entries, stop).await?;
            }
            if idle || observed.elapsed() > OBSERVE {
                self.observe(ownership.watermark).await?;
                observed = Instant::now();
            }
        }
        Ok(())
    }

    /// Reads the owner's pending list page by page. Entries up to the watermark took effect before a crash came between
    /// commit and acknowledgement: they are acknowledged now. Later ones will come again, since the group stands at the watermark.
    async fn recover_pending(&self, group: &Group<'_>, watermark: u64) -> Result<(), OwnerError> {
        let mut after = 0;
        loop {
            let page = group.pending_after(after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.sequence;
            let done: Vec<u64> = page
                .iter()
                .map(|entry| entry.sequence)
                .filter(|sequence| *sequence <= watermark)
                .collect();
            let acknowledged = group.acknowledge(&done).await?;
            counter!("events_own_pel_recovered_total").increment(acknowledged);
            counter!("events_handled_total", "outcome" => "duplicate").increment(acknowledged);
            if after > watermark {
                return Ok(());
            }
        }
    }

    /// Applies a batch in order and acknowledges it after the commit.
    async fn take(
        &self,
        group: &Group<'_>,
        ownership: &mut Ownership,
        entries: Vec<Entry>,
        stop: &CancellationToken,
    ) -> Result<(), OwnerError> {
        let Page { known, new, gap } =
            Page::of(ownership.watermark, entries.iter().map(|entry| entry.sequence));
        if !known.is_empty() {
            counter!("events_handled_total", "outcome" => "duplicate")
                .increment(known.len() as u64);
            group.acknowledge(&known).await?;
        }
        let mut due = new.iter().peekable();
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| due.next_if(|due| **due == entry.sequence).is_some())
            .collect();
        match self.apply(ownership, &entries, stop).await? {
            Applied::All => (),
            // The rest stays pending and comes again from the watermark.
            Applied::Stopped => return Ok(()),
        }
        let acknowledged = group.acknowledge(&new).await?;
        // Redis answers 0 for a group that is gone, without an error.
        let missing = (new.len() as u64).saturating_sub(acknowledged);
        counter!("events_ack_missing_total").increment(missing);
        gap.map_or(Ok(()), |gap| Err(OwnerError::Gap(gap)))
    }

    /// The exact lag: the stream's last sequence number less the watermark.
    async fn observe(&self, watermark: u64) -> Result<(), OwnerError> {
        let head = last_sequence(&self.redis, self.subscription.key).await?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; a lag of 2^52 is not exact"
        )]
        let lag = head.saturating_sub(watermark) as f64;
        gauge!(
            "events_lag_events",
            "group" => self.subscription.group,
            "service" => self.subscription.key.service.as_str(),
            "partition" => self.subscription.key.partition.to_string()
        )
        .set(lag);
        Ok(())
    }
}
