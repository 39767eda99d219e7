//! What a unit of gas costs: EIP-1559 fees from the market, under a cap.

use serde::Deserialize;
use serde_json::json;

use crate::{
    nodes::{Nodes, NodesError},
    quantity::Quantity,
};

/// The least that is offered to who makes blocks, in wei: 0.001 gwei.
const LEAST_TIP: u64 = 1_000_000;

/// What a transaction offers for a unit of gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The most that it pays.
    pub max: u64,
    /// How much of it goes to who makes the block.
    pub tip: u64,
}

/// What others pay for a unit of gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// What the next block will ask.
    pub base: u64,
    /// What half of the transactions of the last blocks have paid on top.
    pub tip: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    base_fee_per_gas: Vec<Quantity>,
    #[serde(default)]
    reward: Option<Vec<Vec<Quantity>>>,
}

impl Market {
    /// What the last five blocks say.
    ///
    /// # Errors
    ///
    /// [`NodesError`] if no node answers, or the chain knows no EIP-1559.
    pub async fn read(nodes: &Nodes) -> Result<Self, NodesError> {
        let history: History =
            nodes.ask("eth_feeHistory", json!(["0x5", "latest", [50.0]])).await?;
        let base = history.base_fee_per_gas.last().ok_or(NodesError::NoMarket)?.0;
        let rewards = history.reward.unwrap_or_default();
        let mut tips: Vec<u64> =
            rewards.iter().filter_map(|block| block.first()).map(|tip| tip.0).collect();
        tips.sort_unstable();
        let tip = tips.get(tips.len() / 2).copied().unwrap_or(0).max(LEAST_TIP);
        Ok(Self { base, tip })
    }

    /// An offer that holds while the base fee doubles, and is never above `cap`.
    pub fn offer(self, cap: u64) -> Fees {
        let max = self.base.saturating_mul(2).saturating_add(self.tip).min(cap);
        Fees { max, tip: self.tip.min(max) }
    }
}

impl Fees {
    /// What takes the place of this offer under the same nonce: an eighth more, which every node accepts, or what the market
    /// asks if that is more. `None` if the cap leaves no room for an eighth.
    pub fn bumped(self, market: Market, cap: u64) -> Option<Self> {
        let eighth = |fee: u64| fee.saturating_add(fee / 8).saturating_add(1);
        let fresh = market.offer(cap);
        let (max, tip) = (eighth(self.max).max(fresh.max), eighth(self.tip).max(fresh.tip));
        (max <= cap).then_some(Self { max, tip: tip.min(max) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKET: Market = Market { base: 1000, tip: 50 };

    #[test]
    fn an_offer_survives_a_doubled_base_fee_and_keeps_to_the_cap() {
        assert_eq!(MARKET.offer(10_000), Fees { max: 2050, tip: 50 });
        assert_eq!(MARKET.offer(30), Fees { max: 30, tip: 30 });
    }

    #[test]
    fn a_second_offer_is_an_eighth_higher_at_least() {
        let first = Fees { max: 8000, tip: 800 };

        assert_eq!(first.bumped(MARKET, 100_000), Some(Fees { max: 9001, tip: 901 }));
        assert_eq!(
            first.bumped(Market { base: 20_000, tip: 50 }, 100_000),
            Some(Fees { max: 40_050, tip: 901 })
        );
    }

    #[test]
    fn there_is_no_second_offer_above_the_cap() {
        assert_eq!(Fees { max: 8000, tip: 800 }.bumped(MARKET, 9000), None);
    }
}
