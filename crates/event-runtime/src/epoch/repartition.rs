//! A new generation with another number of partitions.

use fred::clients::Client;

use super::{
    Begun, End, EpochError, add_ends, add_generation, fork::fork, hold, last_announced, tell,
};
use crate::{EventStore, stream::StreamKey};

/// The most partitions that a service may have.
pub const MAX_PARTITIONS: u16 = 64;

/// Changes how many partitions a service has, while it works. Events that have no number yet get one in the new generation;
/// a consumer group reads the old one to its ends before it begins the new one, so the order of each aggregate holds.
///
/// # Errors
///
/// [`EpochError::Partitions`] and [`EpochError::Unchanged`] for a number that is not to be had, [`EpochError::Diverged`] for a
/// store that [`bump`](super::bump()) has to settle first. [`EpochError::Runtime`] if the database or Redis fails: nothing has
/// changed then, or everything has and is announced by the relay.
pub async fn repartition(
    store: &EventStore,
    redis: &Client,
    partitions: u16,
) -> Result<Begun, EpochError> {
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        return Err(EpochError::Partitions(partitions));
    }
    let known = last_announced(redis, store).await?;
    let (txn, layout) = hold(store).await?;
    if layout.partitions() == partitions {
        return Err(EpochError::Unchanged(partitions));
    }
    if known.is_some_and(|known| known.epoch() > layout.epoch()) {
        return Err(EpochError::Diverged);
    }
    let mut ends = Vec::new();
    for partition in layout.head_partitions() {
        let (base, head) = (layout.base(layout.epoch(), partition), layout.head(partition));
        let key = StreamKey::new(store.service(), partition).at(layout.epoch());
        let fork = fork(store, redis, key, base, head).await?;
        if fork.sequence != head || fork.lost > 0 {
            return Err(EpochError::Diverged);
        }
        ends.push(End { epoch: layout.epoch(), partition, sequence: head, lost: 0 });
    }
    let heads = ends.iter().map(|end| (end.partition, end.sequence)).collect();
    add_ends(&txn, layout.epoch(), &heads).await?;
    let epoch = layout.epoch() + 1;
    let reason = format!("from {} to {partitions} partitions", layout.partitions());
    add_generation(&txn, epoch, partitions, &reason).await?;
    txn.commit().await?;
    tell(store, redis).await?;
    // The relay of this process need not wait for its next look.
    store.wake_relay();
    tracing::info!(epoch, partitions, "a new generation of streams has begun");
    Ok(Begun { epoch, partitions, ends })
}
