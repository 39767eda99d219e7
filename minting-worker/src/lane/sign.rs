//! New work: batches are checked, signed, kept, and only then sent.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use evm_chain::{Call, Fees, Market, U256, sign};
use shared_schemas::MintId;

use super::{
    batch::{Batch, input, new_item},
    context::{ChainView, LaneContext, LaneError, address, number, unsigned},
    step::Step,
    view as lanes,
};
use crate::{
    mint::view as mints,
    slot::view::{self, NewItem, NewSlot},
};

/// Wei in a millionth of the chain's coin.
const MILLIONTH: u64 = 1_000_000_000_000;

/// Mints and transactions that are signed in one database transaction at most.
const MOST_MINTS: usize = 600;
const MOST_SLOTS: usize = 128;

/// Transactions in one request to a node.
const SENT_AT_ONCE: usize = 64;

impl LaneContext {
    /// Signs and sends what waits, as far as there is room beside `in_flight` transactions, and the lane may; how many it were.
    pub(super) async fn sign_waiting(
        &self,
        epoch: i64,
        in_flight: usize,
        view: ChainView,
    ) -> Result<usize, LaneError> {
        let room = self.limits.in_flight.saturating_sub(in_flight).min(MOST_SLOTS);
        if room == 0 {
            return Ok(0);
        }
        let order = lanes::order(self.db(), self.id()).await?;
        if order.paused {
            let why = order.pause_reason.map_or("paused", |reason| reason.as_str());
            return self.hold(Some(why)).await;
        }
        let full = self.limits.batch_items;
        let most = room.min((MOST_MINTS / full).max(1)) * full;
        let mut waiting = mints::waiting(self.db(), most, self.share).await?;
        if waiting.is_empty() {
            return self.hold(None).await;
        }
        // What does not fill a batch waits for others, but not for long.
        let now = self.clock.now();
        let whole = waiting.len() / full * full;
        let is_old = waiting.get(whole).is_some_and(|first| {
            (now - first.ready_at).to_std().unwrap_or_default() >= self.limits.batch_age
        });
        if !is_old {
            waiting.truncate(whole);
        }
        let batches = self.checked(epoch, waiting, view).await?;
        if batches.is_empty() {
            return Ok(0);
        }
        let fees = match self.priced(&order).await? {
            Ok(fees) => fees,
            Err(why) => return self.hold(Some(&why)).await,
        };
        let mut batches = self.tried(epoch, batches).await?;
        batches.truncate(room);
        if batches.is_empty() {
            return Ok(0);
        }
        let (batches, why) = self.affordable(batches, fees, &order).await?;
        self.hold(why.as_deref()).await?;
        if batches.is_empty() {
            return Ok(0);
        }
        self.keep_and_send(epoch, &batches, fees, view).await
    }

    /// As many batches as the lane can pay for and may, and why not all.
    async fn affordable(
        &self,
        mut batches: Vec<Batch>,
        fees: Fees,
        order: &lanes::Order,
    ) -> Result<(Vec<Batch>, Option<String>), LaneError> {
        let balance = self.nodes.balance(self.signer.address()).await?;
        let budget = match order.daily_budget.map(unsigned) {
            Some(budget) => {
                let spent = unsigned(view::spent_today(self.db(), &self.key()).await?);
                Some(U256::from(budget.saturating_sub(spent)) * U256::from(MILLIONTH))
            }
            None => None,
        };
        let (mut most, mut count, mut why) = (U256::zero(), 0, None);
        for batch in &batches {
            most += U256::from(batch.gas) * U256::from(fees.max);
            if balance < most {
                why = Some(format!("INSUFFICIENT_FUNDS: {balance} wei of {most}"));
                break;
            }
            if budget.is_some_and(|budget| most > budget) {
                why = Some("DAILY_BUDGET".to_owned());
                break;
            }
            count += 1;
        }
        batches.truncate(count);
        Ok((batches, why))
    }

    /// What a unit of gas is to cost, or why it is too much.
    async fn priced(&self, order: &lanes::Order) -> Result<Result<Fees, String>, LaneError> {
        let market = Market::read(&self.nodes).await?;
        let asked = market.base.saturating_add(market.tip);
        if let Some(most) = order.hold_above.map(unsigned).filter(|most| asked > *most) {
            return Ok(Err(format!("PRICE: gas costs {asked} wei, and {most} is the most")));
        }
        if market.base > self.limits.fee_cap {
            return Ok(Err(format!("PRICE: the base fee of {} wei is above the cap", market.base)));
        }
        Ok(Ok(market.offer(self.limits.fee_cap)))
    }

    /// Notes why nothing is signed; always 0, for the caller to return.
    pub(super) async fn hold(&self, why: Option<&str>) -> Result<usize, LaneError> {
        lanes::hold(self.db(), &self.key(), why).await?;
        Ok(0)
    }

    /// The moment after which batches are irreversible: their transactions are kept, with every mint in them.
    async fn keep_and_send(
        &self,
        epoch: i64,
        batches: &[Batch],
        fees: Fees,
        view: ChainView,
    ) -> Result<usize, LaneError> {
        let work = self.fenced(epoch).await?;
        let key = self.key();
        let last = view::last_nonce(work.txn(), &key).await?;
        let first = last.map_or(view.mined_nonce, |last| last + 1);
        let signatures = batches.iter().zip(first..).map(|(batch, nonce)| async move {
            let input = input(&batch.candidates);
            let call = Call { to: Some(self.contract.address), input, gas: batch.gas };
            let (signer, chain_id) = (&*self.signer, self.nodes.chain_id());
            sign(signer, chain_id, unsigned(nonce), &call, fees).await
        });
        let signed = futures_util::future::try_join_all(signatures).await?;
        (self.watch)(Step::Signed);
        let slot = |((batch, nonce), signed): ((&Batch, i64), evm_chain::Signed)| NewSlot {
            nonce,
            gas_limit: number(batch.gas),
            hash: evm_chain::word(signed.hash.0),
            raw: signed.raw,
            max_fee: number(fees.max),
            priority_fee: number(fees.tip),
            items: batch.candidates.iter().map(new_item).collect(),
        };
        let slots: Vec<NewSlot> = batches.iter().zip(first..).zip(signed).map(slot).collect();
        let contract = evm_chain::checksummed(self.contract.address);
        view::insert(work.txn(), &key, &contract, &slots).await?;
        if !self.take_in(&work, &slots, fees.max).await? {
            // One was withdrawn, or another lane has it: nothing of this was kept, and nobody has the bytes.
            work.rollback().await?;
            return Ok(0);
        }
        work.commit().await?;
        metrics::counter!("mint_transactions_signed_total").increment(slots.len() as u64);
        (self.watch)(Step::Kept);
        let raw: Vec<&[u8]> = slots.iter().map(|slot| slot.raw.as_slice()).collect();
        for some in raw.chunks(SENT_AT_ONCE) {
            self.nodes.send(some).await;
        }
        (self.watch)(Step::Sent);
        Ok(slots.len())
    }

    /// Plans and signs the mints of slots; whether all of them were still waiting with the same content.
    async fn take_in(
        &self,
        work: &event_runtime::UnitOfWork,
        slots: &[NewSlot],
        max_fee: u64,
    ) -> Result<bool, LaneError> {
        let of: HashMap<MintId, (&NewSlot, &NewItem)> = slots
            .iter()
            .flat_map(|slot| slot.items.iter().map(move |item| (item.mint_id, (slot, item))))
            .collect();
        let ids: Vec<MintId> = of.keys().copied().collect();
        let (taken, lane) = (AtomicUsize::new(0), self.address());
        self.record_all(work, &ids, |id, mint| {
            let Some((slot, item)) = of.get(&id) else { return Vec::new() };
            let is_same = mint.pin.as_ref().is_some_and(|pin| {
                pin.digest == item.digest && address(&pin.owner) == address(&item.owner)
            });
            if !is_same {
                return Vec::new();
            }
            let events =
                mint.take(&lane, &item.token_id, &slot.hash, unsigned(slot.nonce), max_fee);
            taken.fetch_add(usize::from(!events.is_empty()), Ordering::Relaxed);
            events
        })
        .await?;
        Ok(taken.into_inner() == ids.len())
    }
}
