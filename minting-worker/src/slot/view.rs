//! Slots as they are stored: rows and statements.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use evm_chain::hex;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult, raw_sql,
};
use serde_json::{Value, json};
use shared_schemas::MintId;

use crate::lane::view::LaneKey;

/// A slot that is not final yet.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The signer's nonce.
    pub nonce: i64,
    /// `SIGNED`, `BROADCAST` or `MINED`.
    pub state: String,
    /// The most gas that its transactions may use.
    pub gas_limit: i64,
    /// The attempt that is in a block.
    pub mined_hash: Option<String>,
    /// The height of that block.
    pub block: Option<i64>,
    /// The hash of that block.
    pub block_hash: Option<String>,
    /// Every transaction that was signed for it, the newest last; none of one that is in a block.
    pub attempts: Vec<Attempt>,
}

/// A transaction of a slot.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Attempt {
    nonce: i64,
    /// From 1.
    pub attempt: i64,
    /// The transaction's hash.
    pub hash: String,
    /// The signed bytes.
    pub raw: Vec<u8>,
    /// Wei for a unit of gas.
    pub max_fee: i64,
    /// The part of it for who makes the block.
    pub priority_fee: i64,
    /// When it was signed.
    pub signed_at: DateTime<Utc>,
}

/// What a slot mints.
#[derive(Clone, Debug, FromQueryResult)]
pub struct SlotItem {
    /// The slot.
    pub nonce: i64,
    /// The mint.
    pub mint_id: MintId,
    /// The token: `0x` and 64 digits.
    pub token_id: String,
    /// Whose it will be.
    pub owner: String,
    /// What its metadata hashes to.
    pub digest: String,
}

/// A mint in a new slot.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// The mint.
    pub mint_id: MintId,
    /// The token.
    pub token_id: String,
    /// Whose it will be.
    pub owner: String,
    /// What its metadata hashes to.
    pub digest: String,
}

/// A nonce with the transaction that was signed for it and what that mints.
#[derive(Clone, Debug)]
pub struct NewSlot {
    /// The signer's nonce.
    pub nonce: i64,
    /// The most gas that it may use.
    pub gas_limit: i64,
    /// The transaction's hash.
    pub hash: String,
    /// The signed bytes.
    pub raw: Vec<u8>,
    /// Wei for a unit of gas.
    pub max_fee: i64,
    /// The part of it for who makes the block.
    pub priority_fee: i64,
    /// What it mints.
    pub items: Vec<NewItem>,
}

/// Another transaction of a slot that was signed and is to be kept.
#[derive(Clone, Debug)]
pub struct NewAttempt<'a> {
    /// The signer's nonce.
    pub nonce: i64,
    /// From 1.
    pub attempt: i64,
    /// The transaction's hash.
    pub hash: &'a str,
    /// The signed bytes.
    pub raw: &'a [u8],
    /// Wei for a unit of gas.
    pub max_fee: i64,
    /// The part of it for who makes the block.
    pub priority_fee: i64,
}

/// Where a slot's transaction was mined.
#[derive(Clone, Debug)]
pub struct MinedAt {
    /// The slot.
    pub nonce: i64,
    /// Which transaction.
    pub hash: String,
    /// The block's height.
    pub block: i64,
    /// The block's hash.
    pub block_hash: String,
    /// It did what it was to do.
    pub succeeded: bool,
    /// What it used up.
    pub gas_used: i64,
    /// What it paid for a unit, in wei.
    pub gas_price: i64,
}

#[derive(FromQueryResult)]
struct SlotRow {
    nonce: i64,
    state: String,
    gas_limit: i64,
    mined_hash: Option<String>,
    block: Option<i64>,
    block_hash: Option<String>,
}

#[derive(FromQueryResult)]
struct Number {
    number: Option<i64>,
}

/// Every slot of a lane that is not final, by nonce.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn open(db: &DatabaseConnection, key: &LaneKey) -> Result<Vec<Slot>, DbErr> {
    let LaneKey { lane, chain_id } = key;
    let rows = SlotRow::find_by_statement(raw_sql!(
        Postgres,
        "SELECT nonce, state, gas_limit, mined_hash, block, block_hash FROM lane_slot
           WHERE lane = {lane} AND chain_id = {chain_id} AND state IN ('SIGNED', 'BROADCAST', 'MINED') ORDER BY nonce"
    ))
    .all(db)
    .await?;
    let first = rows.iter().find(|row| row.state != "MINED").map(|row| row.nonce);
    let attempts = match first {
        Some(first) => {
            Attempt::find_by_statement(raw_sql!(
                Postgres,
                "SELECT a.nonce, attempt, hash, raw, max_fee, priority_fee, a.signed_at FROM lane_attempt a
                   JOIN lane_slot s ON (s.lane, s.chain_id, s.nonce) = (a.lane, a.chain_id, a.nonce)
                   WHERE a.lane = {lane} AND a.chain_id = {chain_id} AND a.nonce >= {first} AND s.state <> 'MINED'
                   ORDER BY nonce, attempt"
            ))
            .all(db)
            .await?
        }
        None => Vec::new(),
    };
    let mut of: HashMap<i64, Vec<Attempt>> = HashMap::new();
    for attempt in attempts {
        of.entry(attempt.nonce).or_default().push(attempt);
    }
    let whole = |row: SlotRow| {
        let SlotRow { nonce, state, gas_limit, mined_hash, block, block_hash } = row;
        let attempts = of.remove(&nonce).unwrap_or_default();
        Slot { nonce, state, gas_limit, mined_hash, block, block_hash, attempts }
    };
    Ok(rows.into_iter().map(whole).collect())
}

/// What slots mint, by nonce and mint.
///
/// # Errors
///
/// As [`open`].
pub async fn items(
    db: &DatabaseConnection,
    key: &LaneKey,
    nonces: &[i64],
) -> Result<Vec<SlotItem>, DbErr> {
    if nonces.is_empty() {
        return Ok(Vec::new());
    }
    let LaneKey { lane, chain_id } = key;
    let nonces: Value = nonces.into();
    SlotItem::find_by_statement(raw_sql!(
        Postgres,
        "SELECT i.nonce, i.mint_id, i.token_id, i.owner, i.digest FROM jsonb_array_elements_text({nonces}) AS wanted
           JOIN lane_item i ON i.lane = {lane} AND i.chain_id = {chain_id} AND i.nonce = CAST(wanted AS bigint)
           ORDER BY i.nonce, i.mint_id"
    ))
    .all(db)
    .await
}

/// The highest nonce that a lane has a slot for.
///
/// # Errors
///
/// As [`open`].
pub async fn last_nonce(db: &impl ConnectionTrait, key: &LaneKey) -> Result<Option<i64>, DbErr> {
    let LaneKey { lane, chain_id } = key;
    let row = Number::find_by_statement(raw_sql!(
        Postgres,
        "SELECT max(nonce) AS number FROM lane_slot WHERE lane = {lane} AND chain_id = {chain_id}"
    ))
    .one(db)
    .await?;
    Ok(row.and_then(|row| row.number))
}

/// What a lane has spent or may still spend for transactions signed in the last 24 hours, in millionths of the chain's coin.
///
/// # Errors
///
/// As [`open`].
pub async fn spent_today(db: &DatabaseConnection, key: &LaneKey) -> Result<i64, DbErr> {
    let LaneKey { lane, chain_id } = key;
    let row = Number::find_by_statement(raw_sql!(
        Postgres,
        "SELECT CAST(ceil(coalesce(sum(
             CASE WHEN s.gas_used IS NOT NULL THEN s.gas_used::numeric * s.gas_price
                  ELSE s.gas_limit::numeric * (SELECT max(a.max_fee) FROM lane_attempt a
                         WHERE a.lane = s.lane AND a.chain_id = s.chain_id AND a.nonce = s.nonce) END
           ), 0) / 1e12) AS bigint) AS number
         FROM lane_slot s
         WHERE s.lane = {lane} AND s.chain_id = {chain_id} AND s.state <> 'FOREIGN' AND s.signed_at > now() - interval '24 hours'"
    ))
    .one(db)
    .await?;
    Ok(row.and_then(|row| row.number).unwrap_or(0))
}

/// Which of these mints were in a transaction that was reverted.
///
/// # Errors
///
/// As [`open`].
pub async fn failed_before(db: &DatabaseConnection, ids: &[MintId]) -> Result<Vec<MintId>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        mint_id: MintId,
    }
    let ids: Value = ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().into();
    let rows = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT DISTINCT i.mint_id FROM lane_item i
           JOIN lane_slot s ON (s.lane, s.chain_id, s.nonce) = (i.lane, i.chain_id, i.nonce)
           WHERE s.succeeded = false AND s.state = 'FINAL'
             AND i.mint_id IN (SELECT CAST(one AS uuid) FROM jsonb_array_elements_text({ids}) AS one)"
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.mint_id).collect())
}

/// Makes slots, each with its first transaction and with what it mints.
///
/// # Errors
///
/// As [`open`]; a nonce that has a slot is a violation of a unique constraint.
pub async fn insert(
    txn: &DatabaseTransaction,
    key: &LaneKey,
    contract: &str,
    slots: &[NewSlot],
) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    let rows: Value = slots
        .iter()
        .map(|slot| {
            json!({
                "nonce": slot.nonce, "gas_limit": slot.gas_limit, "hash": slot.hash, "raw": hex(&slot.raw),
                "max_fee": slot.max_fee, "priority_fee": slot.priority_fee,
            })
        })
        .collect();
    let items: Value = slots
        .iter()
        .flat_map(|slot| slot.items.iter().map(|item| (slot.nonce, item)))
        .map(|(nonce, NewItem { mint_id, token_id, owner, digest })| {
            json!({ "nonce": nonce, "mint_id": mint_id.0, "token_id": token_id, "owner": owner, "digest": digest })
        })
        .collect();
    let attempts = rows.clone();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO lane_slot (lane, chain_id, nonce, contract, state, gas_limit, signed_at, updated_at)
           SELECT {lane}, {chain_id}, r.nonce, {contract}, 'SIGNED', r.gas_limit, now(), now()
             FROM jsonb_to_recordset({rows}) AS r (nonce bigint, gas_limit bigint)"
    ))
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO lane_attempt (lane, chain_id, nonce, attempt, hash, raw, max_fee, priority_fee, signed_at)
           SELECT {lane}, {chain_id}, r.nonce, 1, r.hash, decode(r.raw, 'hex'), r.max_fee, r.priority_fee, now()
             FROM jsonb_to_recordset({attempts})
               AS r (nonce bigint, hash text, raw text, max_fee bigint, priority_fee bigint)"
    ))
    .await?;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO lane_item (lane, chain_id, nonce, mint_id, token_id, owner, digest)
           SELECT {lane}, {chain_id}, i.nonce, i.mint_id, i.token_id, i.owner, i.digest
             FROM jsonb_to_recordset({items})
               AS i (nonce bigint, mint_id uuid, token_id text, owner text, digest text)"
    ))
    .await?;
    Ok(())
}

/// Keeps one more transaction for a slot.
///
/// # Errors
///
/// As [`open`].
pub async fn insert_attempt(
    txn: &DatabaseTransaction,
    key: &LaneKey,
    attempt: &NewAttempt<'_>,
) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    let NewAttempt { nonce, attempt, hash, raw, max_fee, priority_fee } = *attempt;
    let raw = raw.to_vec();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO lane_attempt (lane, chain_id, nonce, attempt, hash, raw, max_fee, priority_fee, signed_at)
           VALUES ({lane}, {chain_id}, {nonce}, {attempt}, {hash}, {raw}, {max_fee}, {priority_fee}, now())"
    ))
    .await?;
    Ok(())
}

/// Nonces that somebody else used are slots, too, so that the next one is the right one.
///
/// # Errors
///
/// As [`open`].
pub async fn insert_foreign(
    txn: &DatabaseTransaction,
    key: &LaneKey,
    from: i64,
    to: i64,
) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO lane_slot (lane, chain_id, nonce, contract, state, gas_limit, signed_at, updated_at)
           SELECT {lane}, {chain_id}, nonce, '', 'FOREIGN', 0, now(), now() FROM generate_series({from}, {to}) AS nonce
           ON CONFLICT ON CONSTRAINT lane_slot_pkey DO NOTHING"
    ))
    .await?;
    Ok(())
}

/// Moves slots on: to `SIGNED`, `BROADCAST`, `FINAL` or `FOREIGN`.
///
/// # Errors
///
/// As [`open`].
pub async fn moved(
    txn: &DatabaseTransaction,
    key: &LaneKey,
    nonces: &[i64],
    state: &str,
) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    let nonces: Value = nonces.into();
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE lane_slot SET state = {state}, updated_at = now() FROM jsonb_array_elements_text({nonces}) AS moved
           WHERE lane = {lane} AND chain_id = {chain_id} AND nonce = CAST(moved AS bigint)"
    ))
    .await?;
    Ok(())
}

/// Transactions of slots are in blocks.
///
/// # Errors
///
/// As [`open`].
pub async fn mined(
    txn: &DatabaseTransaction,
    key: &LaneKey,
    mined: &[MinedAt],
) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    let rows: Value = mined
        .iter()
        .map(|at| {
            json!({
                "nonce": at.nonce, "hash": at.hash, "block": at.block, "block_hash": at.block_hash,
                "succeeded": at.succeeded, "gas_used": at.gas_used, "gas_price": at.gas_price,
            })
        })
        .collect();
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE lane_slot SET state = 'MINED', mined_hash = r.hash, block = r.block, block_hash = r.block_hash,
             succeeded = r.succeeded, gas_used = r.gas_used, gas_price = r.gas_price, updated_at = now()
           FROM jsonb_to_recordset({rows}) AS r (nonce bigint, hash text, block bigint, block_hash text,
             succeeded boolean, gas_used bigint, gas_price bigint)
           WHERE lane = {lane} AND chain_id = {chain_id} AND lane_slot.nonce = r.nonce"
    ))
    .await?;
    Ok(())
}

/// The blocks of the slots' transactions are gone.
///
/// # Errors
///
/// As [`open`].
pub async fn reorged(
    txn: &DatabaseTransaction,
    key: &LaneKey,
    nonces: &[i64],
) -> Result<(), DbErr> {
    let LaneKey { lane, chain_id } = key;
    let nonces: Value = nonces.into();
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE lane_slot SET state = 'BROADCAST', mined_hash = NULL, block = NULL, block_hash = NULL, succeeded = NULL,
             gas_used = NULL, gas_price = NULL, updated_at = now()
           FROM jsonb_array_elements_text({nonces}) AS gone
           WHERE lane = {lane} AND chain_id = {chain_id} AND nonce = CAST(gone AS bigint)"
    ))
    .await?;
    Ok(())
}
