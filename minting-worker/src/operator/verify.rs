//! The chain against what is recorded, both ways; and what is recorded made again from the chain alone.

use std::{collections::HashMap, convert::Infallible};

use event_runtime::Expected;
use evm_chain::{
    ContentToken, U256,
    contract::{Log, Outcome, id_bytes},
};
use serde_json::json;
use shared_schemas::envelope::Metadata;

use super::shown::ShownVerification;
use crate::{
    lane::context::{LaneContext, LaneError, token_of},
    mint::view::{self as mints, Recorded},
};

/// Blocks of one question, and mints of one page.
const SPAN: u64 = 5_000;
const PAGE: i64 = 1_000;

/// Ids of one kind that are shown.
const SHOWN: usize = 100;

/// Where a token was minted.
struct Minted {
    hash: String,
    block: u64,
    block_hash: String,
    is_known: bool,
}

/// Compares everything from a block on; with `repair`, records what is minted and not recorded so.
pub(super) async fn run(
    context: &LaneContext,
    from_block: u64,
    repair: Option<&Metadata>,
) -> Result<ShownVerification, LaneError> {
    let to_block = context.nodes.height().await?;
    let mut tokens = minted(context, from_block, to_block).await?;
    let mut report = ShownVerification {
        from_block,
        to_block,
        tokens: tokens.len() as u64,
        mints: 0,
        unknown_tokens: Vec::new(),
        missing: Vec::new(),
        unrecorded: Vec::new(),
        different: Vec::new(),
        repaired: 0,
    };
    let mut after = uuid::Uuid::nil();
    loop {
        let page = mints::page(context.store.db(), after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id.into();
        report.mints += page.len() as u64;
        compare(context, &page, &mut tokens, &mut report, repair).await?;
    }
    let unknown = tokens.iter().filter(|(_, minted)| !minted.is_known);
    report.unknown_tokens =
        unknown.take(SHOWN).map(|(id, _)| evm_chain::word(id_bytes(*id))).collect();
    Ok(report)
}

/// Every token that was minted between two blocks.
async fn minted(
    context: &LaneContext,
    from: u64,
    to: u64,
) -> Result<HashMap<U256, Minted>, LaneError> {
    let (transfer, nobody) = ContentToken::minted_topics();
    let mut found = HashMap::new();
    let mut first = from;
    while first <= to {
        let last = to.min(first.saturating_add(SPAN - 1));
        let topics = json!([transfer, null, nobody]);
        for log in context.nodes.logs(context.contract.address, topics, (first, last)).await? {
            for (id, outcome) in context.contract.outcomes(&[Log::from(&log)]) {
                if outcome == Outcome::Minted {
                    let minted = Minted {
                        hash: evm_chain::word(log.transaction_hash.0),
                        block: log.block_number.0,
                        block_hash: evm_chain::word(log.block_hash.0),
                        is_known: false,
                    };
                    found.insert(id, minted);
                }
            }
        }
        first = last + 1;
    }
    Ok(found)
}

async fn compare(
    context: &LaneContext,
    page: &[Recorded],
    tokens: &mut HashMap<U256, Minted>,
    report: &mut ShownVerification,
    repair: Option<&Metadata>,
) -> Result<(), LaneError> {
    let on_chain: Vec<&Recorded> = page
        .iter()
        .filter(|mint| {
            tokens.get_mut(&token_of(mint.subject)).is_some_and(|minted| {
                minted.is_known = true;
                true
            })
        })
        .collect();
    let inputs: Vec<_> =
        on_chain.iter().map(|mint| ContentToken::digest_of(token_of(mint.subject))).collect();
    let digests = if inputs.is_empty() {
        Vec::new()
    } else {
        context.nodes.read_agreed(context.contract.address, &inputs, report.to_block).await?
    };
    let mut to_repair = Vec::new();
    for (mint, digest) in on_chain.iter().zip(digests) {
        let digest = ContentToken::digest_in(&digest).map(evm_chain::word);
        if mint.digest.is_some() && mint.digest != digest {
            note(&mut report.different, mint.id);
        } else if !mint.is_minted() && !mint.in_flight {
            note(&mut report.unrecorded, mint.id);
            to_repair.push(*mint);
        }
    }
    for mint in page {
        let is_there = tokens.contains_key(&token_of(mint.subject));
        let is_in_range = mint.block.is_some_and(|block| {
            u64::try_from(block).is_ok_and(|block| block >= report.from_block)
        });
        if mint.is_minted() && is_in_range && !is_there {
            note(&mut report.missing, mint.id);
        }
    }
    let Some(metadata) = repair else { return Ok(()) };
    for mint in to_repair {
        let Some(minted) = tokens.get(&token_of(mint.subject)) else { continue };
        let (hash, block, block_hash) = (&minted.hash, minted.block, &minted.block_hash);
        context
            .mints
            .execute(mint.id, Expected::Any, metadata, |mint| {
                Ok::<_, Infallible>(mint.mine(hash, block, block_hash))
            })
            .await?;
        report.repaired += 1;
    }
    Ok(())
}

fn note(list: &mut Vec<shared_schemas::MintId>, id: shared_schemas::MintId) {
    if list.len() < SHOWN {
        list.push(id);
    }
}
