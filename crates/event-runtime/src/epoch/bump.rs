//! A new generation after the store was restored to the past.

use std::collections::BTreeMap;

use fred::clients::Client;
use sea_orm::{DatabaseTransaction, DbErr, FromQueryResult, raw_sql};

use super::{
    Begun, End, EpochError, add_ends, add_generation, fork::fork, hold, last_announced, tell,
};
use crate::{EventStore, layout::Layout, stream::StreamKey};

#[derive(FromQueryResult)]
struct Reported {
    epoch: Option<i32>,
}

/// Takes the store's word for what happened: begins a new generation of the service's streams, each after the last event that
/// the old stream and the store have in common. Relays that had halted go on with it. Readers that had gone further go back to
/// there, and say that they have to be rebuilt; the others go on.
///
/// For a store that was restored to the past and cannot be brought forward again. On any other it changes nothing but the names
/// of the streams. `reason` is kept with the generation.
///
/// # Errors
///
/// [`EpochError::Runtime`] if the database or Redis fails. Nothing has changed then, or everything has and is announced by the
/// relay.
pub async fn bump(store: &EventStore, redis: &Client, reason: &str) -> Result<Begun, EpochError> {
    let known = last_announced(redis, store).await?;
    let (txn, layout) = hold(store).await?;

    // The store may have been restored to before a generation that readers know of.
    let mut ending = vec![(layout.epoch(), layout.partitions())];
    let forgotten = known.iter().flat_map(Layout::generations);
    ending.extend(
        forgotten
            .filter(|generation| generation.epoch > layout.epoch())
            .map(|generation| (generation.epoch, generation.partitions)),
    );

    let (mut ends, mut partitions, mut epoch) = (Vec::new(), layout.partitions(), 0);
    let mut bases: BTreeMap<u16, u64> = BTreeMap::new();
    for (ended, its_partitions) in ending {
        if ended > layout.epoch() {
            add_generation(
                &txn,
                ended,
                its_partitions,
                "announced, and forgotten by a restored store",
            )
            .await?;
        }
        let heads = layout.head_partitions().chain(0..its_partitions);
        let all: std::collections::BTreeSet<u16> = heads.collect();
        let mut its_ends = BTreeMap::new();
        for partition in all {
            let base =
                bases.get(&partition).copied().unwrap_or_else(|| layout.base(ended, partition));
            let announced = known.as_ref().and_then(|known| known.end(ended, partition));
            let limit =
                announced.map_or(layout.head(partition), |end| end.min(layout.head(partition)));
            let key = StreamKey::new(store.service(), partition).at(ended);
            let fork = fork(store, redis, key, base, limit).await?;
            its_ends.insert(partition, fork.sequence);
            ends.push(End { epoch: ended, partition, sequence: fork.sequence, lost: fork.lost });
        }
        add_ends(&txn, ended, &its_ends).await?;
        bases = its_ends;
        (partitions, epoch) = (its_partitions, ended);
    }

    // Readers may know a later one that Redis has forgotten.
    let epoch = epoch.max(last_reported(&txn).await?) + 1;
    add_generation(&txn, epoch, partitions, reason).await?;
    txn.commit().await?;
    tell(store, redis).await?;
    tracing::warn!(epoch, partitions, reason, "a new generation of streams has begun");
    Ok(Begun { epoch, partitions, ends })
}

/// The latest generation of which a reader has reported.
async fn last_reported(txn: &DatabaseTransaction) -> Result<u32, DbErr> {
    let reported = Reported::find_by_statement(raw_sql!(
        Postgres,
        "SELECT max(epoch) AS epoch FROM subscription"
    ))
    .one(txn)
    .await?;
    let epoch = reported.and_then(|row| row.epoch);
    Ok(epoch.and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(0))
}
