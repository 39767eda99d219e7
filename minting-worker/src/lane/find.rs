//! Where on the chain a token was minted.

use evm_chain::{Address, ContentToken, U256, contract::Log};
use serde_json::json;

use super::context::{LaneContext, LaneError};

/// Where a token was minted.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) hash: String,
    pub(super) block: u64,
    pub(super) block_hash: String,
}

/// How many blocks one question is about: more is refused by some nodes.
const SPAN: u64 = 10_000;

impl LaneContext {
    /// The transaction that minted a token, searched from the newest block down.
    pub(super) async fn find(
        &self,
        token_id: U256,
        owner: Address,
        height: u64,
    ) -> Result<Option<Found>, LaneError> {
        let (transfer, nobody) = ContentToken::minted_topics();
        let to = evm_chain::H256::from(owner);
        let mut last = height;
        loop {
            let first = last.saturating_sub(SPAN - 1);
            let topics = json!([transfer, null, nobody, to]);
            let logs = self.nodes.logs(self.contract.address, topics, (first, last)).await?;
            let is_it = |log: &&evm_chain::answers::RawLog| {
                self.contract.outcomes(&[Log::from(*log)]).iter().any(|(id, _)| *id == token_id)
            };
            if let Some(log) = logs.iter().find(is_it) {
                return Ok(Some(Found {
                    hash: evm_chain::word(log.transaction_hash.0),
                    block: log.block_number.0,
                    block_hash: evm_chain::word(log.block_hash.0),
                }));
            }
            if first == 0 {
                return Ok(None);
            }
            last = first - 1;
        }
    }
}
