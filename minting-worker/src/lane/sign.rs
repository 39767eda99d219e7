//! New work: a batch is checked, signed, kept, and only then sent.

use evm_chain::{Call, ContentToken, Fees, Item, Market, Revert, U256, sign};
use shared_schemas::{MintId, mint::ParkReason};

use super::{
    context::{ChainView, LaneContext, LaneError, address, number, token_of, unsigned},
    settle::park_reason,
    step::Step,
    view as lanes,
};
use crate::{
    mint::view::{self as mints, Waiting},
    slot::view::{self, NewAttempt, NewItem, Slot},
};

/// Wei in a millionth of the chain's coin.
const MILLIONTH: u64 = 1_000_000_000_000;

/// A mint that can go into a batch.
#[derive(Clone, Debug)]
struct Candidate {
    id: MintId,
    item: Item,
    is_contract: bool,
}

impl LaneContext {
    /// Signs and sends one batch, if there is one, and the lane may; whether it did.
    pub(super) async fn sign_next(
        &self,
        epoch: i64,
        slots: &[Slot],
        view: ChainView,
    ) -> Result<bool, LaneError> {
        let in_flight = slots.iter().filter(|slot| slot.state != "MINED").count();
        if in_flight >= self.limits.in_flight {
            return Ok(false);
        }
        let order = lanes::order(self.db(), self.id()).await?;
        if order.paused {
            let why = order.pause_reason.map_or("paused", |reason| reason.as_str());
            return self.hold(Some(why)).await;
        }
        let batch_age = self.limits.batch_age;
        let waiting = mints::waiting(self.db(), self.limits.batch_items, self.share).await?;
        let now = self.clock.now();
        let is_old =
            |mint: &Waiting| (now - mint.ready_at).to_std().unwrap_or_default() >= batch_age;
        if waiting.is_empty() {
            return self.hold(None).await;
        }
        if waiting.len() < self.limits.batch_items && !waiting.iter().any(is_old) {
            return Ok(false);
        }
        let candidates = self.checked(epoch, waiting, view).await?;
        if candidates.is_empty() {
            return Ok(false);
        }
        let fees = match self.priced(&order).await? {
            Ok(fees) => fees,
            Err(why) => return self.hold(Some(&why)).await,
        };
        let Some((batch, gas)) = self.tried(epoch, candidates).await? else { return Ok(false) };
        let most = U256::from(gas) * U256::from(fees.max);
        let balance = self.nodes.balance(self.signer.address()).await?;
        if balance < most {
            return self.hold(Some(&format!("INSUFFICIENT_FUNDS: {balance} wei of {most}"))).await;
        }
        let cost = (most / U256::from(MILLIONTH)).min(U256::from(i64::MAX)).as_u64();
        let budget = order.daily_budget.map(unsigned);
        let spent = unsigned(view::spent_today(self.db(), &self.key()).await?);
        if budget.is_some_and(|budget| spent.saturating_add(cost) > budget) {
            return self.hold(Some("DAILY_BUDGET")).await;
        }
        self.hold(None).await?;
        self.keep_and_send(epoch, batch, gas, fees, view).await
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

    /// Notes why nothing is signed; always false, for the caller to return.
    async fn hold(&self, why: Option<&str>) -> Result<bool, LaneError> {
        lanes::hold(self.db(), &self.key(), why).await?;
        Ok(false)
    }

    /// Leaves out what cannot be minted, and what is on the chain already.
    async fn checked(
        &self,
        epoch: i64,
        waiting: Vec<Waiting>,
        view: ChainView,
    ) -> Result<Vec<Candidate>, LaneError> {
        let mut candidates = Vec::new();
        for mint in waiting {
            let owner = address(&mint.owner);
            let digest = evm_chain::parse_word(&mint.digest).filter(|digest| *digest != [0; 32]);
            match owner.zip(digest) {
                Some((owner, digest)) => {
                    let item = Item { owner, token_id: token_of(mint.subject), digest };
                    candidates.push(Candidate { id: mint.id, item, is_contract: false });
                }
                None => {
                    self.park(epoch, mint.id, ParkReason::Malformed, "no address, or no digest")
                        .await?;
                }
            }
        }
        let inputs: Vec<_> =
            candidates.iter().map(|one| ContentToken::digest_of(one.item.token_id)).collect();
        let minted = self.nodes.read(self.contract.address, &inputs, None).await?;
        let owners: Vec<_> = candidates.iter().map(|one| one.item.owner).collect();
        let have_code = self.nodes.have_code(&owners).await?;
        let mut new = Vec::new();
        for ((mut one, there), has_code) in candidates.into_iter().zip(minted).zip(have_code) {
            one.is_contract = has_code;
            let there =
                there.map_err(|source| evm_chain::NodesError::Unanswered { nodes: 1, source })?;
            match ContentToken::digest_in(&there) {
                None => new.push(one),
                Some(digest) => self.adopt(epoch, &one, digest, view).await?,
            }
        }
        let alone =
            view::failed_before(self.db(), &new.iter().map(|one| one.id).collect::<Vec<_>>())
                .await?;
        if let Some(one) = new.iter().find(|one| alone.contains(&one.id)) {
            return Ok(vec![one.clone()]);
        }
        while formula(&new) > self.limits.batch_gas && new.len() > 1 {
            new.pop();
        }
        Ok(new)
    }

    /// The token is there although nobody here knows: nothing is paid for it again.
    async fn adopt(
        &self,
        epoch: i64,
        one: &Candidate,
        digest: [u8; 32],
        view: ChainView,
    ) -> Result<(), LaneError> {
        if digest != one.item.digest {
            let (there, asked) = (evm_chain::word(digest), evm_chain::word(one.item.digest));
            let detail = format!("the token has the digest {there}, and {asked} was asked");
            return self.park(epoch, one.id, ParkReason::DifferentContent, &detail).await;
        }
        let Some(found) = self.find(one.item.token_id, one.item.owner, view.height).await? else {
            let detail = "the token is there, and somebody else got it";
            return self.park(epoch, one.id, ParkReason::DifferentContent, detail).await;
        };
        let work = self.fenced(epoch).await?;
        self.record(&work, one.id, |mint| mint.mine(&found.hash, found.block, &found.block_hash))
            .await?;
        work.commit().await?;
        Ok(())
    }

    async fn park(
        &self,
        epoch: i64,
        id: MintId,
        reason: ParkReason,
        detail: &str,
    ) -> Result<(), LaneError> {
        let work = self.fenced(epoch).await?;
        self.record(&work, id, |mint| mint.park(reason, detail)).await?;
        work.commit().await?;
        Ok(())
    }

    /// Asks the chain what the batch would do, before anybody pays: the batch and the most gas it may use. What would be
    /// reverted for its own sake is parked; what would be reverted for the lane's waits.
    async fn tried(
        &self,
        epoch: i64,
        candidates: Vec<Candidate>,
    ) -> Result<Option<(Vec<Candidate>, u64)>, LaneError> {
        match self.dry_run(&candidates).await? {
            Ok(gas) => {
                let gas = formula(&candidates).max(gas + gas / 5);
                Ok(Some((candidates, gas)))
            }
            Err(revert) => {
                match park_reason(&revert) {
                    ParkReason::Unauthorized | ParkReason::ContractPaused => {
                        self.hold(Some(&format!("CONTRACT: {revert}"))).await?;
                    }
                    ParkReason::RecipientRefuses
                    | ParkReason::DifferentContent
                    | ParkReason::Reverted
                    | ParkReason::Malformed => {
                        for one in candidates {
                            if let Err(revert) = self.dry_run(std::slice::from_ref(&one)).await? {
                                self.park(epoch, one.id, park_reason(&revert), &revert.to_string())
                                    .await?;
                            }
                        }
                    }
                }
                Ok(None)
            }
        }
    }

    async fn dry_run(&self, candidates: &[Candidate]) -> Result<Result<u64, Revert>, LaneError> {
        let items: Vec<Item> = candidates.iter().map(|one| one.item).collect();
        let (from, to) = (self.signer.address(), Some(self.contract.address));
        match self.nodes.estimate(from, to, &ContentToken::mint_many(&items)).await {
            Ok(gas) => Ok(Ok(gas)),
            Err(error) => match error.revert_data() {
                Some(data) => Ok(Err(ContentToken::revert(&data))),
                None => Err(error.into()),
            },
        }
    }

    /// The moment after which the batch is irreversible: its transaction is kept, with every mint in it.
    async fn keep_and_send(
        &self,
        epoch: i64,
        mut batch: Vec<Candidate>,
        gas: u64,
        fees: Fees,
        view: ChainView,
    ) -> Result<bool, LaneError> {
        // Always in one order, so that two transactions never wait for each other.
        batch.sort_by_key(|one| one.id);
        let items: Vec<Item> = batch.iter().map(|one| one.item).collect();
        let work = self.fenced(epoch).await?;
        let key = self.key();
        let last = view::last_nonce(work.txn(), &key).await?;
        let nonce = last.map_or(view.mined_nonce, |last| last + 1);
        let call =
            Call { to: Some(self.contract.address), input: ContentToken::mint_many(&items), gas };
        let signed =
            sign(&*self.signer, self.nodes.chain_id(), unsigned(nonce), &call, fees).await?;
        (self.watch)(Step::Signed);
        let hash = evm_chain::word(signed.hash.0);
        let attempt = NewAttempt {
            nonce,
            attempt: 1,
            hash: &hash,
            raw: &signed.raw,
            max_fee: number(fees.max),
            priority_fee: number(fees.tip),
        };
        let new: Vec<NewItem> = batch.iter().map(new_item).collect();
        let contract = evm_chain::checksummed(self.contract.address);
        view::insert(work.txn(), &key, &contract, number(gas), &attempt, &new).await?;
        for item in &new {
            if !self.take_in(&work, item, &hash, unsigned(nonce), fees.max).await? {
                // It was withdrawn, or another lane has it: nothing of this was kept, and nobody has the bytes.
                work.rollback().await?;
                return Ok(true);
            }
        }
        work.commit().await?;
        metrics::counter!("mint_transactions_signed_total").increment(1);
        (self.watch)(Step::Kept);
        self.nodes.send(&[&signed.raw]).await;
        (self.watch)(Step::Sent);
        Ok(true)
    }

    /// Plans and signs one mint of a batch; whether it was still waiting with the same content.
    async fn take_in(
        &self,
        work: &event_runtime::UnitOfWork,
        item: &NewItem,
        hash: &str,
        nonce: u64,
        max_fee: u64,
    ) -> Result<bool, LaneError> {
        let taken = std::sync::atomic::AtomicBool::new(false);
        let lane = self.address();
        self.record(work, item.mint_id, |mint| {
            let is_same = mint.pin.as_ref().is_some_and(|pin| {
                pin.digest == item.digest && address(&pin.owner) == address(&item.owner)
            });
            let events = if is_same {
                mint.take(&lane, &item.token_id, hash, nonce, max_fee)
            } else {
                Vec::new()
            };
            taken.store(!events.is_empty(), std::sync::atomic::Ordering::Relaxed);
            events
        })
        .await?;
        Ok(taken.into_inner())
    }
}

/// The most gas that these can use.
fn formula(candidates: &[Candidate]) -> u64 {
    let of_contracts = candidates.iter().filter(|one| one.is_contract).count();
    ContentToken::batch_gas(candidates.len(), of_contracts)
}

fn new_item(one: &Candidate) -> NewItem {
    NewItem {
        mint_id: one.id,
        token_id: evm_chain::word(evm_chain::contract::id_bytes(one.item.token_id)),
        owner: evm_chain::checksummed(one.item.owner),
        digest: evm_chain::word(one.item.digest),
    }
}
