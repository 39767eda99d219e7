//! A private development chain per test.

use std::time::Duration;

use anyhow::Result;
use local_stack::chain::Chain;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A chain of its own (anvil) on a free port; it ends when this is dropped.
pub struct TestChain {
    chain: Chain,
    _directory: TempDir,
}

impl TestChain {
    /// The number of the chain.
    pub const ID: u64 = local_stack::chain::CHAIN_ID;

    /// Keys of accounts that have coins.
    pub const KEYS: [&'static str; 2] =
        [local_stack::chain::FUNDED.1, local_stack::chain::FUNDED_TOO.1];

    /// Starts a chain that makes a block this often.
    ///
    /// # Errors
    ///
    /// When anvil is not installed or does not start.
    pub async fn start(block_time: Duration) -> Result<Self> {
        Self::start_with(block_time, &[]).await
    }

    /// The same with more arguments of anvil.
    ///
    /// # Errors
    ///
    /// As [`TestChain::start`].
    pub async fn start_with(block_time: Duration, more: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let chain = Chain::start_bare(directory.path(), block_time, more).await?;
        Ok(Self { chain, _directory: directory })
    }

    /// Its JSON-RPC.
    pub fn url(&self) -> String {
        self.chain.url()
    }

    /// Any call.
    ///
    /// # Errors
    ///
    /// What the chain refuses, or when it does not answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.chain.call(method, params).await
    }

    /// Replaces the last `depth` blocks by empty ones.
    ///
    /// # Errors
    ///
    /// As [`TestChain::call`].
    pub async fn reorganise(&self, depth: u64) -> Result<()> {
        self.call("anvil_reorg", json!([depth, []])).await.map(|_| ())
    }

    /// Forgets every transaction that waits for a block.
    ///
    /// # Errors
    ///
    /// As [`TestChain::call`].
    pub async fn empty_the_pool(&self) -> Result<()> {
        self.call("anvil_dropAllTransactions", json!([])).await.map(|_| ())
    }

    /// What the next block asks for a unit of gas, in wei.
    ///
    /// # Errors
    ///
    /// As [`TestChain::call`].
    pub async fn next_base_fee(&self, wei: u64) -> Result<()> {
        let fee = json!([format!("{wei:#x}")]);
        self.call("anvil_setNextBlockBaseFeePerGas", fee).await.map(|_| ())
    }

    /// Makes this many blocks at once.
    ///
    /// # Errors
    ///
    /// As [`TestChain::call`].
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        self.call("anvil_mine", json!([format!("{blocks:#x}")])).await.map(|_| ())
    }
}
