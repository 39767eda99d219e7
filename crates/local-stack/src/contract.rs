//! The contract of tokens on a development chain.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use evm_chain::{Address, Call, ContentToken, LocalSigner, Market, Nodes, Signer as _, sign};

use crate::chain::{CHAIN_ID, FUNDED, FUNDED_TOO};
use crate::wait::wait_for;

/// How long a deployment may take: a few blocks.
const LIMIT: Duration = Duration::from_secs(30);

/// The key of the stack's lane: an account that has coins, and may mint.
pub const LANE_KEY: &str = FUNDED_TOO.1;

/// The contract's address on the chain at `url`: as `dir` remembers it, or of one that is deployed now. The first funded account
/// administers it, and the second may mint.
///
/// # Errors
///
/// When the chain does not answer or the deployment fails.
pub async fn deployed(url: &str, dir: &Path) -> Result<String> {
    let nodes = Nodes::new(CHAIN_ID, [url.parse()?], Duration::from_secs(5))?;
    let file = dir.join("contract");
    if let Ok(known) = std::fs::read_to_string(&file)
        && let Ok(address) = known.trim().parse::<Address>()
        && nodes.have_code(&[address]).await?.contains(&true)
    {
        return Ok(evm_chain::checksummed(address));
    }
    let admin = LocalSigner::from_hex(FUNDED.1)?;
    let minter = LocalSigner::from_hex(LANE_KEY)?.address();
    let input = ContentToken::deployment(admin.address(), minter);
    let gas = nodes.estimate(admin.address(), None, &input).await?;
    let fees = Market::read(&nodes).await?.offer(u64::MAX);
    let nonce = nodes.mined_nonce(admin.address()).await?;
    let call = Call { to: None, input, gas: gas + gas / 4 };
    let signed = sign(&admin, CHAIN_ID, nonce, &call, fees).await?;
    nodes.send(&[&signed.raw]).await;
    let receipt = wait_for("the contract", LIMIT, async || {
        Ok(nodes.receipts(&[signed.hash]).await?.into_iter().flatten().next())
    })
    .await?;
    if receipt.status.0 != 1 {
        bail!("the contract cannot be deployed");
    }
    let address = receipt.contract_address.context("the receipt names no contract")?;
    let address = evm_chain::checksummed(address);
    std::fs::write(file, &address)?;
    Ok(address)
}
