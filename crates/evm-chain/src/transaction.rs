//! Transactions: built and signed without a network, so that their bytes and their hash are known before anybody sends them.

use ethers_core::types::{
    Address, Eip1559TransactionRequest, H256, NameOrAddress, U256,
    transaction::eip2718::TypedTransaction,
};

use crate::{Fees, Signer, SignerError};

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Call {
    /// The contract; `None` to make one.
    pub to: Option<Address>,
    /// What is called, and with what.
    pub input: Vec<u8>,
    /// The most gas that it may use.
    pub gas: u64,
}

/// A transaction that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Its name on the chain.
    pub hash: H256,
    /// What is sent.
    pub raw: Vec<u8>,
}

/// Signs a transaction (EIP-1559) for a nonce.
///
/// # Errors
///
/// [`SignerError`].
pub async fn sign(
    signer: &dyn Signer,
    chain_id: u64,
    nonce: u64,
    call: &Call,
    fees: Fees,
) -> Result<Signed, SignerError> {
    let request = Eip1559TransactionRequest {
        from: Some(signer.address()),
        to: call.to.map(NameOrAddress::Address),
        gas: Some(call.gas.into()),
        value: Some(U256::zero()),
        data: Some(call.input.clone().into()),
        nonce: Some(nonce.into()),
        access_list: ethers_core::types::transaction::eip2930::AccessList::default(),
        max_priority_fee_per_gas: Some(fees.tip.into()),
        max_fee_per_gas: Some(fees.max.into()),
        chain_id: Some(chain_id.into()),
    };
    signer.sign_transaction(&TypedTransaction::Eip1559(request)).await
}
