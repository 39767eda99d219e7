//! What the chain did, by its own word.

use anyhow::{Context as _, Result};
use evm_chain::{ContentToken, Nodes, contract::Log};
use local_stack::chain::Chain;
use serde_json::{Value, json};

/// One block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) mints: u64,
    pub(crate) gas_used: u64,
    pub(crate) gas_limit: u64,
    /// Seconds since the Unix epoch.
    pub(crate) made_at: u64,
}

/// The blocks between two heights, both included.
pub(crate) async fn read(
    chain: &Chain,
    nodes: &Nodes,
    contract: ContentToken,
    (from, to): (u64, u64),
) -> Result<Vec<Block>> {
    let (transfer, nobody) = ContentToken::minted_topics();
    let mut blocks = Vec::new();
    for height in from..=to {
        let hex = format!("{height:#x}");
        let block = chain.call("eth_getBlockByNumber", json!([hex, false])).await?;
        let topics = json!([transfer, null, nobody]);
        let logs = nodes.logs(contract.address, topics, (height, height)).await?;
        let logs: Vec<Log> = logs.iter().map(Log::from).collect();
        blocks.push(Block {
            mints: contract.outcomes(&logs).len() as u64,
            gas_used: quantity(&block, "gasUsed")?,
            gas_limit: quantity(&block, "gasLimit")?,
            made_at: quantity(&block, "timestamp")?,
        });
    }
    Ok(blocks)
}

fn quantity(block: &Value, field: &str) -> Result<u64> {
    let text = block.get(field).and_then(Value::as_str).context("no such field")?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// The blocks from the second with a mint to the last but one: the first and the last are never whole.
pub(crate) fn whole(blocks: &[Block]) -> &[Block] {
    let has_mints = |block: &Block| block.mints > 0;
    let first = blocks.iter().position(has_mints).unwrap_or(0) + 1;
    let last = blocks.iter().rposition(has_mints).unwrap_or(0);
    blocks.get(first..last).unwrap_or(&[])
}

/// What some blocks come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Per second, by the blocks' own clock.
    pub(crate) mints: f64,
    /// What the gas of these blocks would have bought, per second.
    pub(crate) limit: f64,
    /// Of one mint.
    pub(crate) gas: f64,
    /// How many.
    pub(crate) blocks: usize,
}

pub(crate) fn rate(blocks: &[Block]) -> Result<Rate> {
    let (first, last) = (blocks.first().context("no block")?, blocks.last().context("no block")?);
    // Each block stands for the time since the one before it.
    let seconds = (last.made_at - first.made_at) as f64 * blocks.len() as f64
        / (blocks.len().max(2) - 1) as f64;
    let mints = blocks.iter().map(|block| block.mints).sum::<u64>() as f64;
    let gas = blocks.iter().map(|block| block.gas_used).sum::<u64>() as f64 / mints;
    // The chain was told to make a block every second; time that it took longer is the machine's, and counts against us.
    let limit = first.gas_limit as f64 / gas;
    Ok(Rate { mints: mints / seconds, limit, gas, blocks: blocks.len() })
}
