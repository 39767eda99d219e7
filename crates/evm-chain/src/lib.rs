//! An EVM chain as a minting lane needs it: JSON-RPC to several nodes, fees, signing, and what the contract says.
//!
//! Nothing here remembers anything about transactions: who sends them keeps their bytes. What a node says is taken for what it
//! is, the word of one node; [`Nodes`] compares.

pub mod answers;
pub mod contract;
pub mod fees;
pub mod node;
pub mod nodes;
pub mod quantity;
mod questions;
pub mod remote;
pub mod revert;
pub mod signer;
pub mod transaction;

pub use contract::{ContentToken, Item};
pub use ethers_core::types::{Address, H256, U256};
pub use fees::{Fees, Market};
pub use node::{Node, RpcError};
pub use nodes::{Nodes, NodesError};
pub use remote::RemoteSigner;
pub use revert::Revert;
pub use signer::{KeyError, LocalSigner, Signer, SignerError};
pub use transaction::{Call, Signed, sign};

/// An address as people write it: `0x` and 40 hexadecimal digits with the checksum of EIP-55.
pub fn checksummed(address: Address) -> String {
    ethers_core::utils::to_checksum(&address, None)
}

/// A hash, a token id or a digest as the platform writes it: `0x` and 64 lower-case hexadecimal digits.
pub fn word(bytes: [u8; 32]) -> String {
    format!("0x{}", hex(&bytes))
}

/// The 32 bytes that [`word`] wrote; `None` for anything else.
pub fn parse_word(text: &str) -> Option<[u8; 32]> {
    let bytes = unhex(text)?;
    bytes.try_into().ok()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    ethers_core::utils::hex::encode(bytes)
}

/// The bytes behind hexadecimal digits, with `0x` or without.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    ethers_core::utils::hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}
