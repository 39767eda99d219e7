//! What to do about a mint that was given up.

use shared_schemas::mint::ParkReason;

/// The next step, for people.
pub fn next_step(reason: ParkReason) -> &'static str {
    match reason {
        ParkReason::RecipientRefuses => {
            "Ask the author for another address, or to make the contract there take ERC-1155 tokens; then retry."
        }
        ParkReason::DifferentContent => {
            "The token stands for another version, or belongs to somebody else, and cannot be changed. Cancel this mint."
        }
        ParkReason::Unauthorized => {
            "Give the lane's signer MINTER_ROLE in the contract, then retry."
        }
        ParkReason::ContractPaused => "Unpause the contract, then retry.",
        ParkReason::Reverted => "Read the detail; if the cause is gone, retry: it is tried alone.",
        ParkReason::Malformed => {
            "The address or the digest that was pinned is none. Cancel it, and pin it again."
        }
    }
}
