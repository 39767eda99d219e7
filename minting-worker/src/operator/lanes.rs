//! Lanes as operators see them, and what minting costs.

use std::sync::Arc;

use evm_chain::{ContentToken, Item, Market, U256};

use super::{
    advice,
    shown::{ShownEstimate, ShownLane, ShownLanes, ShownNode},
};
use crate::{
    lane::{
        context::{LaneContext, LaneError, token_of},
        view as lanes,
    },
    mint::view as mints,
    slot::view as slots,
};

/// Wei in a millionth of the chain's coin.
const MILLIONTH: u64 = 1_000_000_000_000;

/// All lanes of this process. What no node says is left out.
pub(super) async fn all(
    db: &sea_orm::DatabaseConnection,
    contexts: &[Arc<LaneContext>],
) -> Result<ShownLanes, LaneError> {
    let (waiting, parked) = mints::backlog(db).await?;
    let mut shown = Vec::new();
    for context in contexts {
        shown.push(one(context).await?);
    }
    let first = contexts.first();
    let health = first.map(|context| context.nodes.health()).unwrap_or_default();
    let market = match first {
        Some(context) => Market::read(&context.nodes).await.ok(),
        None => None,
    };
    let node = |health: evm_chain::nodes::Health| ShownNode {
        name: health.name,
        is_well: health.is_well,
        complaint: health.complaint,
    };
    Ok(ShownLanes {
        minting: first.is_some(),
        chain_id: first.map(|context| context.nodes.chain_id()),
        contract: first.map(|context| evm_chain::checksummed(context.contract.address)),
        base_fee: market.map(|market| market.base),
        waiting,
        parked,
        nodes: health.into_iter().map(node).collect(),
        lanes: shown,
    })
}

/// One lane.
pub(super) async fn one(context: &LaneContext) -> Result<ShownLane, LaneError> {
    let (db, key) = (context.store.db(), context.key());
    let order = lanes::order(db, context.id()).await?;
    let lease = lanes::lease(db, &key).await?;
    let spent_today = slots::spent_today(db, &key).await?;
    let in_flight = slots::open(db, &key).await?.len();
    let balance = context.nodes.balance(context.signer.address()).await.ok();
    let runs_dry_in_hours = balance.and_then(|balance| hours_left(balance, spent_today));
    let hold = lease.as_ref().and_then(|lease| lease.hold.clone());
    let paused = order.pause_reason.filter(|_| order.paused);
    let why = paused.map(|reason| reason.as_str().to_owned()).or_else(|| hold.clone());
    Ok(ShownLane {
        address: context.address(),
        paused,
        next_step: why.as_deref().and_then(advice::way_out).map(str::to_owned),
        hold,
        is_live: lease.is_some_and(|lease| lease.is_live),
        in_flight: i64::try_from(in_flight).unwrap_or(i64::MAX),
        hold_above: order.hold_above,
        daily_budget: order.daily_budget,
        spent_today,
        balance: balance.map(|balance| balance.to_string()),
        runs_dry_in_hours,
    })
}

/// How many hours a balance in wei lasts, if the next days are like the last one, in which so many millionths of a coin were spent;
/// `None` if nothing was.
pub(crate) fn hours_left(balance: U256, spent_today: i64) -> Option<i64> {
    let spent = u64::try_from(spent_today).ok().filter(|spent| *spent > 0)?;
    let hours = balance / U256::from(MILLIONTH) * U256::from(24) / U256::from(spent);
    i64::try_from(hours.min(U256::from(i64::MAX)).as_u64()).ok()
}

/// What a batch of so many would cost now, and what the contract says to those that wait.
pub(super) async fn estimate(
    context: &LaneContext,
    count: u16,
) -> Result<ShownEstimate, LaneError> {
    let market = Market::read(&context.nodes).await?;
    let fees = market.offer(context.limits.fee_cap);
    let gas = ContentToken::batch_gas(count.into(), 0);
    let cost = |price: u64| (U256::from(gas) * U256::from(price)).to_string();
    let waiting = mints::waiting(context.store.db(), count.into(), (0, 1)).await?;
    let items: Vec<Item> = waiting
        .iter()
        .filter_map(|mint| {
            let owner = mint.owner.parse().ok()?;
            let digest = evm_chain::parse_word(&mint.digest)?;
            Some(Item { owner, token_id: token_of(mint.subject), digest })
        })
        .collect();
    let refusal = if items.is_empty() { None } else { dry_run(context, &items).await? };
    Ok(ShownEstimate {
        mints: count,
        gas,
        base_fee: market.base,
        max_fee: fees.max,
        likely_cost: cost(market.base.saturating_add(market.tip)),
        highest_cost: cost(fees.max),
        refusal,
    })
}

async fn dry_run(context: &LaneContext, items: &[Item]) -> Result<Option<String>, LaneError> {
    let (from, to) = (context.signer.address(), Some(context.contract.address));
    match context.nodes.estimate(from, to, &ContentToken::mint_many(items)).await {
        Ok(_) => Ok(None),
        Err(error) => match error.revert_data() {
            Some(data) => Ok(Some(ContentToken::revert(&data).to_string())),
            None => Err(error.into()),
        },
    }
}
