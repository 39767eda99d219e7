//! Beginning a new generation of a service's streams: because its store was restored to the past, or because the number of
//! partitions changes. What readers do about it: `consumer::generation`.

mod bump;
mod fork;
mod repartition;

use std::collections::BTreeMap;

use fred::clients::Client;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, TransactionTrait, raw_sql};
use serde::Serialize;

pub use bump::bump;
pub use repartition::{MAX_PARTITIONS, repartition};

use crate::{
    EventStore, RuntimeError,
    layout::{self, AnnounceError, Layout, announce, announced},
    relay::sequencer::lock_heads,
    store::{to_bigint, to_integer, to_smallint},
};

/// How long the heads may be held while Redis is asked: longer than a relay may.
const PATIENCE: &str = "30s";

/// A new generation of streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Begun {
    /// Its number.
    pub epoch: u32,
    /// How many partitions it has.
    pub partitions: u16,
    /// Where the generations before it ended.
    pub ends: Vec<End>,
}

/// The end of an earlier generation in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// The generation that ended.
    pub epoch: u32,
    /// The partition.
    pub partition: u16,
    /// The last sequence number that is true. A group that went further is marked, and has to be rebuilt.
    pub sequence: u64,
    /// How many entries after it are in the stream, and unknown to the store.
    pub lost: u64,
}

/// Why there is no new generation.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The database, Redis or the announced layout failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// There cannot be so many partitions.
    #[error("{0} partitions: there are 1 to {MAX_PARTITIONS}")]
    Partitions(u16),
    /// There are so many partitions already.
    #[error("there are {0} partitions already")]
    Unchanged(u16),
    /// Store and streams are different histories; that has to be settled first.
    #[error("the store was restored to the past: begin a new generation for that first")]
    Diverged,
}

impl From<DbErr> for EpochError {
    fn from(error: DbErr) -> Self {
        Self::Runtime(error.into())
    }
}

impl From<fred::error::Error> for EpochError {
    fn from(error: fred::error::Error) -> Self {
        Self::Runtime(error.into())
    }
}

impl From<AnnounceError> for EpochError {
    fn from(error: AnnounceError) -> Self {
        Self::Runtime(error.into())
    }
}

/// The layout of a store, with everybody else kept from giving numbers until the transaction ends.
async fn hold(store: &EventStore) -> Result<(DatabaseTransaction, Layout), DbErr> {
    let txn = store.db().begin().await?;
    lock_heads(&txn).await?;
    txn.query_one_raw(raw_sql!(
        Postgres,
        "SELECT set_config('idle_in_transaction_session_timeout', {PATIENCE}, true)"
    ))
    .await?;
    let layout = layout::load(&txn).await?;
    Ok((txn, layout))
}

/// What was announced, unless Redis does not know, or nobody can read it.
async fn last_announced(redis: &Client, store: &EventStore) -> Result<Option<Layout>, EpochError> {
    match announced(redis, store.service()).await {
        Ok(layout) => Ok(layout),
        Err(AnnounceError::Malformed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a generation down; it has heads for all its partitions then.
async fn add_generation(
    txn: &DatabaseTransaction,
    epoch: u32,
    partitions: u16,
    reason: &str,
) -> Result<(), DbErr> {
    let (epoch, last) = (to_integer(epoch), i32::from(partitions) - 1);
    let partitions = to_smallint(partitions);
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO stream_epoch (epoch, partitions, reason) VALUES ({epoch}, {partitions}, {reason})"
    ))
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO publication_head (partition) SELECT generate_series(0, {last}) ON CONFLICT DO NOTHING"
    ))
    .await?;
    Ok(())
}

/// Writes down where a generation ended.
async fn add_ends(
    txn: &DatabaseTransaction,
    epoch: u32,
    ends: &BTreeMap<u16, u64>,
) -> Result<(), DbErr> {
    let epoch = to_integer(epoch);
    for (partition, sequence) in ends {
        let (partition, sequence) = (to_smallint(*partition), to_bigint(*sequence));
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO stream_epoch_end (epoch, partition, sequence) VALUES ({epoch}, {partition}, {sequence})"
        ))
        .await?;
    }
    Ok(())
}

/// Tells everybody, so that they need not wait for a relay.
async fn tell(store: &EventStore, redis: &Client) -> Result<(), EpochError> {
    let layout = store.refresh_layout().await?;
    announce(redis, store.service(), &layout).await?;
    Ok(())
}

/// Says that a consumer group's effects may stay as they are although its producer has lost some of the events behind them:
/// what an operator does for a reactor, which cannot be rebuilt. `store` is that of the group's own service.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn accept_divergence(store: &EventStore, group: &str) -> Result<(), DbErr> {
    settle_divergence(store.db(), group).await
}

/// Takes the mark of a diverged group away.
pub(crate) async fn settle_divergence(
    connection: &impl ConnectionTrait,
    group: &str,
) -> Result<(), DbErr> {
    connection
        .execute_raw(raw_sql!(
            Postgres,
            "UPDATE watermark SET diverged_from = NULL
               WHERE consumer_group = {group} AND diverged_from IS NOT NULL"
        ))
        .await?;
    Ok(())
}
