//! What nodes answer, as far as it matters.

use ethers_core::types::{Address, H256};
use serde::Deserialize;

use crate::{
    contract::Log,
    quantity::{Data, Quantity},
};

/// A block, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Block {
    /// Its height.
    pub number: Quantity,
    /// Its hash.
    pub hash: H256,
}

/// What became of a transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Which one.
    pub transaction_hash: H256,
    /// The height of its block.
    pub block_number: Quantity,
    /// The hash of its block.
    pub block_hash: H256,
    /// 1 if it did what it was to do, 0 if it was reverted.
    pub status: Quantity,
    /// What it used up.
    pub gas_used: Quantity,
    /// What it paid for a unit of it, in wei.
    pub effective_gas_price: Quantity,
    /// Where a contract was made.
    #[serde(default)]
    pub contract_address: Option<Address>,
    /// What contracts wrote.
    pub logs: Vec<RawLog>,
}

/// An entry of a log, as nodes write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawLog {
    /// Who wrote it.
    pub address: Address,
    /// What kind, and its indexed fields.
    pub topics: Vec<H256>,
    /// The other fields.
    pub data: Data,
    /// The height of its block.
    pub block_number: Quantity,
    /// The hash of its block.
    pub block_hash: H256,
    /// The transaction that wrote it.
    pub transaction_hash: H256,
}

impl From<&RawLog> for Log {
    fn from(log: &RawLog) -> Self {
        Self { address: log.address, topics: log.topics.clone(), data: log.data.0.clone() }
    }
}
