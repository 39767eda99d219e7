//! Lanes as they are stored: who works on them, and what was ordered.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult, raw_sql,
};
use shared_schemas::{LaneId, lane::PauseReason};
use uuid::Uuid;

/// How long a lease outlives its last renewal, in seconds.
const TTL_SECONDS: i32 = 3;

/// A lane of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneKey {
    /// The signer's address in lower case.
    pub lane: String,
    /// The chain.
    pub chain_id: i64,
}

/// What was ordered of a lane.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct Order {
    /// It signs nothing new.
    pub paused: bool,
    /// Why.
    pub pause_reason: Option<PauseReason>,
    /// Wei for a unit of gas above which it waits.
    pub hold_above: Option<i64>,
    /// Millionths of the chain's coin in 24 hours.
    pub daily_budget: Option<i64>,
}

/// Who works on a lane.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Lease {
    /// How often it has changed hands.
    pub epoch: i64,
    /// Its holder is alive.
    pub is_live: bool,
    /// Why nothing is signed at the moment.
    pub hold: Option<String>,
}

#[derive(FromQueryResult)]
struct EpochRow {
    epoch: i64,
}

/// What was ordered of a lane; nothing, if nobody ordered anything.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn order(db: &DatabaseConnection, id: LaneId) -> Result<Order, DbErr> {
    let row = Order::find_by_statement(raw_sql!(
        Postgres,
        "SELECT paused, pause_reason, hold_above, daily_budget FROM lane_order WHERE id = {id}"
    ))
    .one(db)
    .await?;
    Ok(row.unwrap_or_default())
}

/// Who works on a lane; `None` if nobody ever did.
///
/// # Errors
///
/// As [`order`].
pub async fn lease(db: &DatabaseConnection, key: &LaneKey) -> Result<Option<Lease>, DbErr> {
    let LaneKey { lane, chain_id } = key;
    Lease::find_by_statement(raw_sql!(
        Postgres,
        "SELECT epoch, expires_at > now() AS is_live, hold FROM lane_lease
           WHERE lane = {lane} AND chain_id = {chain_id}"
    ))
    .one(db)
    .await
}

/// Takes or renews the lease of a lane: its epoch, or `None` if another process has it.
///
/// # Errors
///
/// As [`order`].
pub async fn take(
    db: &DatabaseConnection,
    key: &LaneKey,
    holder: Uuid,
) -> Result<Option<i64>, DbErr> {
    let LaneKey { lane, chain_id } = key;
    let row = EpochRow::find_by_statement(raw_sql!(
        Postgres,
        "INSERT INTO lane_lease (lane, chain_id, epoch, holder, expires_at)
           VALUES ({lane}, {chain_id}, 1, {holder}, now() + make_interval(secs => {TTL_SECONDS}))
           ON CONFLICT ON CONSTRAINT lane_lease_pkey DO UPDATE SET
             epoch = lane_lease.epoch + CASE WHEN lane_lease.holder = EXCLUDED.holder THEN 0 ELSE 1 END,
             holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
           WHERE lane_lease.holder = EXCLUDED.holder OR lane_lease.expires_at < now()
           RETURNING epoch"
    ))
    .one(db)
    .await?;
    Ok(row.map(|row| row.epoch))
}

/// Gives the lease back, so that another process need not wait for its end.
///
/// # Errors
///
/// As [`order`].
pub async fn give_back(db: &DatabaseConnection, key: &LaneKey, holder: Uuid) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    db.execute_raw(raw_sql!(
        Postgres,
        "UPDATE lane_lease SET expires_at = now() - interval '1 second'
           WHERE lane = {lane} AND chain_id = {chain_id} AND holder = {holder}"
    ))
    .await?;
    Ok(())
}

/// Whether the lane is still in this epoch; if so, it stays in it until the transaction ends.
///
/// # Errors
///
/// As [`order`].
pub async fn holds(txn: &DatabaseTransaction, key: &LaneKey, epoch: i64) -> Result<bool, DbErr> {
    let LaneKey { lane, chain_id } = key;
    let row = txn
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT epoch FROM lane_lease WHERE lane = {lane} AND chain_id = {chain_id} AND epoch = {epoch} FOR UPDATE"
        ))
        .await?;
    Ok(row.is_some())
}

/// Says why nothing is signed at the moment.
///
/// # Errors
///
/// As [`order`].
pub async fn hold(db: &DatabaseConnection, key: &LaneKey, why: Option<&str>) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    db.execute_raw(raw_sql!(
        Postgres,
        "UPDATE lane_lease SET hold = {why}
           WHERE lane = {lane} AND chain_id = {chain_id} AND hold IS DISTINCT FROM {why}"
    ))
    .await?;
    Ok(())
}
