//! Whether chain and contract are the right ones, and whether a lane may mint there.

use std::fmt;

use evm_chain::{
    ContentToken, Nodes,
    quantity::{Data, Quantity},
};
use serde_json::json;

use super::context::{LaneContext, LaneError};
use crate::config::Chain;

/// Everything that is wrong with the settings of the chain: there is nothing to wait for.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongChain(Vec<String>);

impl fmt::Display for WrongChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for WrongChain {}

/// Compares what nodes say of themselves and of the contract with the settings. A node that does not answer is no mistake: the
/// lanes wait for it, and look at the contract themselves before they sign.
///
/// # Errors
///
/// [`WrongChain`] with every mistake and the way out of it.
pub async fn compare(chain: &Chain) -> Result<(), WrongChain> {
    let expected = chain.nodes.chain_id();
    let mut mistakes = Vec::new();
    for (node, said) in chain.nodes.each::<Quantity>("eth_chainId", json!([])).await {
        match said {
            Ok(said) if said.0 != expected => mistakes.push(format!(
                "CHAIN_RPC_URLS: {node} is of chain {}, and CHAIN_ID says {expected}: correct the one or the other",
                said.0
            )),
            Ok(_) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(node, error, "a node cannot be asked which chain it is of");
            }
        }
    }
    mistakes.extend(wrong_everywhere(&chain.nodes, chain.contract).await);
    if mistakes.is_empty() { Ok(()) } else { Err(WrongChain(mistakes)) }
}

/// What every node that answers says is wrong with the contract; nothing if one of them has ours. A node that is behind, or
/// lies, must not stop the others.
async fn wrong_everywhere(nodes: &Nodes, contract: ContentToken) -> Vec<String> {
    let mut wrong = Vec::new();
    for (node, said) in nodes.each::<Data>("eth_getCode", json!([contract.address, "latest"])).await
    {
        let Ok(code) = said else { continue };
        match wrong_code(contract, &code.0) {
            None => return Vec::new(),
            Some(what) => wrong.push(format!("{what} (by {node})")),
        }
    }
    wrong
}

/// What is wrong with the code at the contract's address; `None` if it is ours.
fn wrong_code(contract: ContentToken, code: &[u8]) -> Option<String> {
    let address = evm_chain::checksummed(contract.address);
    if code.is_empty() {
        return Some(format!(
            "MINT_CONTRACT: nothing is at {address}: deploy deploy/contracts there, or correct the address"
        ));
    }
    let (found, ours) = (ContentToken::sha256_of(code), ContentToken::code_sha256());
    (found != ours).then(|| {
        format!(
            "MINT_CONTRACT: the code at {address} hashes to {found}, and deploy/contracts/artifacts/ContentToken.json to {ours}: \
             correct the address, or run the worker of that contract's version"
        )
    })
}

impl LaneContext {
    /// Why the lane cannot mint in this contract at the moment, beginning with a word for programs; `None` if it can.
    pub(super) async fn hindrance(&self) -> Result<Option<String>, LaneError> {
        if let Some(wrong) = wrong_everywhere(&self.nodes, self.contract).await.into_iter().next() {
            return Ok(Some(format!("CONTRACT_CODE: {wrong}")));
        }
        let account = self.signer.address();
        let questions = [ContentToken::is_minter(account), ContentToken::is_paused()];
        let answers = self.nodes.read(self.contract.address, &questions, None).await?;
        let mut answers = answers.into_iter().map(|answer| {
            answer.map_err(|source| evm_chain::NodesError::Unanswered { nodes: 1, source })
        });
        let (is_minter, is_paused) = (answers.next().transpose()?, answers.next().transpose()?);
        if is_minter.is_some_and(|answer| !ContentToken::is_yes(&answer)) {
            return Ok(Some(format!("MISSING_ROLE: {} has no MINTER_ROLE", self.address())));
        }
        if is_paused.is_some_and(|answer| ContentToken::is_yes(&answer)) {
            return Ok(Some("CONTRACT_PAUSED: EnforcedPause".to_owned()));
        }
        Ok(None)
    }
}
