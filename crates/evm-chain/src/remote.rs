//! A signer elsewhere, asked as `Web3Signer` is: `eth_signTransaction` over JSON-RPC. It is given the transaction, so that it can have
//! rules of its own about what it signs, and it is not believed: what it returns must be exactly that, signed by that account.

use std::time::Duration;

use async_trait::async_trait;
use ethers_core::{
    types::{Address, H256, transaction::eip2718::TypedTransaction},
    utils::{keccak256, rlp::Rlp},
};
use serde_json::json;
use url::Url;

use crate::{
    node::{Node, RpcError},
    quantity::{Data, data},
    signer::{Signature, Signer, SignerError},
    transaction::Signed,
};

/// Why a remote signer's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No answer, or a refusal.
    #[error("the remote signer gives no signature")]
    Rpc(#[from] RpcError),
    /// The answer is no signed transaction.
    #[error("the remote signer's answer is no signed transaction")]
    Unreadable,
    /// Another transaction than the one that was asked for.
    #[error("the remote signer signed another transaction")]
    Different,
    /// Another account's signature.
    #[error("the remote signer signed as {0}")]
    Signer(String),
    /// It was asked for a digest, which is not what it signs.
    #[error("a remote signer signs transactions, not digests")]
    Digest,
}

/// One account of a remote signer.
pub struct RemoteSigner {
    address: Address,
    node: Node,
}

impl RemoteSigner {
    /// The account `address` of the signer at `url`, which has `timeout` for each transaction.
    ///
    /// # Errors
    ///
    /// [`RpcError::Transport`] if this machine cannot do TLS.
    pub fn new(url: Url, address: Address, timeout: Duration) -> Result<Self, RpcError> {
        Ok(Self { address, node: Node::new(url, timeout)? })
    }

    async fn ask(&self, transaction: &TypedTransaction) -> Result<Signed, RemoteError> {
        let TypedTransaction::Eip1559(request) = transaction else {
            return Err(RemoteError::Different);
        };
        let input = request.data.as_ref().map_or_else(Vec::new, |input| input.to_vec());
        let call = json!({
            "from": self.address, "to": transaction.to(), "gas": request.gas, "value": request.value,
            "nonce": request.nonce, "data": data(&input), "type": "0x2",
            "maxFeePerGas": request.max_fee_per_gas, "maxPriorityFeePerGas": request.max_priority_fee_per_gas,
            "chainId": request.chain_id,
        });
        let Data(raw) = self.node.call("eth_signTransaction", json!([call])).await?;
        let (answered, signature) = TypedTransaction::decode_signed(&Rlp::new(&raw))
            .map_err(|_unreadable| RemoteError::Unreadable)?;
        // Every field is part of what is signed.
        if answered.sighash() != transaction.sighash() {
            return Err(RemoteError::Different);
        }
        let signer = signature
            .recover(transaction.sighash())
            .map_err(|_unreadable| RemoteError::Unreadable)?;
        if signer != self.address {
            return Err(RemoteError::Signer(crate::checksummed(signer)));
        }
        Ok(Signed { hash: H256(keccak256(&raw)), raw })
    }
}

#[async_trait]
impl Signer for RemoteSigner {
    fn address(&self) -> Address {
        self.address
    }

    async fn sign_digest(&self, _digest: H256) -> Result<Signature, SignerError> {
        Err(SignerError(Box::new(RemoteError::Digest)))
    }

    async fn sign_transaction(
        &self,
        transaction: &TypedTransaction,
    ) -> Result<Signed, SignerError> {
        self.ask(transaction).await.map_err(|error| SignerError(Box::new(error)))
    }
}
