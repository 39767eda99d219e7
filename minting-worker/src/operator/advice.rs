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

/// What to do about a lane that signs nothing, for people; `None` if it needs nobody.
pub fn way_out(hold: &str) -> Option<&'static str> {
    let word = hold.split(':').next().unwrap_or_default();
    Some(match word {
        "MISSING_ROLE" => {
            "An account with DEFAULT_ADMIN_ROLE calls grantRole(keccak256(\"MINTER_ROLE\"), the lane's address) in the contract; the lane goes on by itself."
        }
        "CONTRACT_PAUSED" => {
            "An account with PAUSER_ROLE calls unpause() in the contract; the lane goes on by itself."
        }
        "CONTRACT_CODE" => {
            "Correct MINT_CONTRACT, or run the worker of that contract's version; then start it again."
        }
        "INSUFFICIENT_FUNDS" => {
            "Send the chain's coin to the lane's address; it goes on by itself."
        }
        "PRICE" => "Wait until gas is cheaper, or raise the lane's limit or MINT_FEE_CAP_GWEI.",
        "DAILY_BUDGET" => "Wait until the day is over, or raise the lane's budget.",
        "OPERATOR" => "Resume the lane when the reason for its pause is gone.",
        "FOREIGN_NONCE" => {
            "Somebody else has the key: take the role from it and use a new one. Resume only if the transaction was yours."
        }
        _ => return None,
    })
}
