//! What a lane may do: how much, how fast, and at what price.

use std::time::Duration;

use evm_chain::contract::TRANSACTION_GAS_LIMIT;
use service_kit::Env;

/// Limits of every lane of this process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `MINT_BATCH_ITEMS`: tokens in one transaction, 1 to 200.
    pub batch_items: usize,
    /// `MINT_BATCH_GAS`: gas that one transaction may use, up to 16,777,216.
    pub batch_gas: u64,
    /// `MINT_BATCH_AGE_MS`: how long the first of a batch waits for others.
    pub batch_age: Duration,
    /// `MINT_IN_FLIGHT`: transactions of one lane that are in no block yet, 1 to 1,024.
    pub in_flight: usize,
    /// `MINT_CONFIRMATIONS`: blocks on top of the one with a mint before it is final.
    pub confirmations: u64,
    /// `MINT_TRUST_FINALIZED`: whether a block must also be below what the chain calls finalized.
    pub needs_finalized: bool,
    /// `MINT_FEE_CAP_GWEI`: the most that is ever paid for a unit of gas; in wei here.
    pub fee_cap: u64,
    /// `MINT_BUMP_AFTER_MS`: how long a transaction may be in no block before one of a higher fee takes its place.
    pub bump_after: Duration,
    /// `MINT_POLL_MS`: how often the chain is asked.
    pub poll: Duration,
}

impl Limits {
    /// Reads them.
    pub fn read(env: &mut Env) -> Option<Self> {
        let batch_items = ranged(env, "MINT_BATCH_ITEMS", "50", 1, 200);
        let batch_gas = ranged(env, "MINT_BATCH_GAS", "8000000", 500_000, TRANSACTION_GAS_LIMIT);
        let batch_age = ranged(env, "MINT_BATCH_AGE_MS", "2000", 0, 3_600_000);
        let in_flight = ranged(env, "MINT_IN_FLIGHT", "32", 1, 1024);
        let confirmations = ranged(env, "MINT_CONFIRMATIONS", "12", 0, 10_000);
        let needs_finalized = env.or_default("MINT_TRUST_FINALIZED", "true");
        let fee_cap = ranged(env, "MINT_FEE_CAP_GWEI", "100", 1, 1_000_000);
        let bump_after = ranged(env, "MINT_BUMP_AFTER_MS", "30000", 100, 86_400_000);
        let poll = ranged(env, "MINT_POLL_MS", "500", 10, 60_000);
        Some(Self {
            batch_items: usize::try_from(batch_items?).ok()?,
            batch_gas: batch_gas?,
            batch_age: Duration::from_millis(batch_age?),
            in_flight: usize::try_from(in_flight?).ok()?,
            confirmations: confirmations?,
            needs_finalized: needs_finalized?,
            fee_cap: fee_cap? * 1_000_000_000,
            bump_after: Duration::from_millis(bump_after?),
            poll: Duration::from_millis(poll?),
        })
    }
}

fn ranged(env: &mut Env, name: &str, default: &str, least: u64, most: u64) -> Option<u64> {
    match env.or_default::<u64>(name, default)? {
        value if (least..=most).contains(&value) => Some(value),
        _ => env.mistake(name, &format!("must be {least} to {most}")),
    }
}
