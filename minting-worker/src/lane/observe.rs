//! What the chain did: transactions that came into a block, blocks that went away, nonces that somebody else used.

use std::collections::{HashMap, HashSet};

use evm_chain::{
    H256, U256,
    answers::Receipt,
    contract::{Log, Outcome},
};
use shared_schemas::{MintId, lane::PauseReason};

use super::{
    context::{ChainView, LaneContext, LaneError, hash, number, token, unsigned},
    step::Step,
};
use crate::{
    alert::{self, Kind},
    slot::view::{self, MinedAt, Slot, SlotItem},
};

/// Slots of one question and of one transaction.
pub(super) const ROUND: usize = 128;

impl LaneContext {
    /// Compares slots that should be in a block with the chain; whether anything has changed.
    pub(super) async fn observe(
        &self,
        epoch: i64,
        slots: &[Slot],
        view: ChainView,
    ) -> Result<bool, LaneError> {
        let gone = self.reorganised(slots).await?;
        let mut changed = !gone.is_empty();
        if changed {
            self.note_reorg(epoch, &gone).await?;
        }
        let due: Vec<&Slot> = slots
            .iter()
            .filter(|slot| slot.nonce < view.mined_nonce && slot.state != "MINED")
            .collect();
        let mut missing = Vec::new();
        for due in due.chunks(ROUND) {
            let hashes =
                due.iter().flat_map(|slot| &slot.attempts).map(|attempt| hash(&attempt.hash));
            let hashes = hashes.collect::<Result<Vec<H256>, _>>()?;
            let receipts = self.nodes.receipts(&hashes).await?;
            let by_hash: HashMap<String, Receipt> = receipts
                .into_iter()
                .flatten()
                .map(|receipt| (evm_chain::word(receipt.transaction_hash.0), receipt))
                .collect();
            let mut mined = Vec::new();
            for slot in due {
                match slot.attempts.iter().find_map(|attempt| by_hash.get(&attempt.hash)) {
                    Some(receipt) => mined.push((*slot, receipt)),
                    None => missing.push(*slot),
                }
            }
            if !mined.is_empty() {
                self.note_mined(epoch, &mined).await?;
                changed = true;
            }
        }
        for slot in missing {
            changed |= self.suspect(epoch, slot, view).await?;
        }
        changed |= self.unknown_nonces(epoch, view).await?;
        Ok(changed)
    }

    /// Slots whose block is not at its height any more.
    async fn reorganised<'a>(&self, slots: &'a [Slot]) -> Result<Vec<&'a Slot>, LaneError> {
        let mined: Vec<(&Slot, u64, H256)> = slots
            .iter()
            .filter(|slot| slot.state == "MINED")
            .filter_map(|slot| {
                Some((slot, unsigned(slot.block?), hash(slot.block_hash.as_deref()?).ok()?))
            })
            .collect();
        let mut heights: Vec<u64> = mined.iter().map(|(_, height, _)| *height).collect();
        heights.sort_unstable();
        heights.dedup();
        let hashes = self.nodes.block_hashes(&heights).await?;
        let now: Vec<(u64, Option<H256>)> = heights.into_iter().zip(hashes).collect();
        let is_there = |(_, height, hash): &&(&Slot, u64, H256)| {
            now.iter().any(|(at, there)| at == height && *there == Some(*hash))
        };
        Ok(mined.iter().filter(|slot| !is_there(slot)).map(|(slot, ..)| *slot).collect())
    }

    async fn note_reorg(&self, epoch: i64, gone: &[&Slot]) -> Result<(), LaneError> {
        let nonces: Vec<i64> = gone.iter().map(|slot| slot.nonce).collect();
        tracing::warn!(lane = self.address(), ?nonces, "blocks with mints went away");
        metrics::counter!("mint_reorgs_total").increment(nonces.len() as u64);
        let items = view::items(self.db(), &self.key(), &nonces).await?;
        let work = self.fenced(epoch).await?;
        view::reorged(work.txn(), &self.key(), &nonces).await?;
        self.record_all(&work, &ids(&items), |_, mint| mint.reorg()).await?;
        let about = (Kind::Reorg, self.address());
        let detail = format!("{} batches are out of the chain again", nonces.len());
        let now = self.clock.now();
        if let Some(alert) =
            alert::view::happened(work.txn(), (about.0, &about.1), &detail, now).await?
        {
            alert::tell::enqueue(&work, &alert, "happened").await?;
        }
        work.commit().await?;
        (self.watch)(Step::Reorged);
        Ok(())
    }

    async fn note_mined(&self, epoch: i64, mined: &[(&Slot, &Receipt)]) -> Result<(), LaneError> {
        let nonces: Vec<i64> = mined.iter().map(|(slot, _)| slot.nonce).collect();
        let items = view::items(self.db(), &self.key(), &nonces).await?;
        let (mut at, mut there) = (Vec::new(), HashMap::new());
        for (slot, receipt) in mined {
            let place = mined_at(slot.nonce, receipt);
            let logs: Vec<Log> = receipt.logs.iter().map(Log::from).collect();
            let tokens: HashSet<U256> = self
                .contract
                .outcomes(&logs)
                .into_iter()
                .filter(|(_, outcome)| matches!(outcome, Outcome::Minted | Outcome::Skipped))
                .map(|(id, _)| id)
                .collect();
            for item in items.iter().filter(|item| item.nonce == slot.nonce) {
                if tokens.contains(&token(&item.token_id)?) {
                    there.insert(item.mint_id, (place.clone(), receipt.block_number.0));
                }
            }
            at.push(place);
        }
        let work = self.fenced(epoch).await?;
        view::mined(work.txn(), &self.key(), &at).await?;
        let ids: Vec<MintId> = there.keys().copied().collect();
        self.record_all(&work, &ids, |id, mint| {
            there.get(&id).map_or_else(Vec::new, |(place, block)| {
                mint.mine(&place.hash, *block, &place.block_hash)
            })
        })
        .await?;
        work.commit().await?;
        metrics::counter!("mint_transactions_mined_total").increment(at.len() as u64);
        (self.watch)(Step::Mined);
        Ok(())
    }

    /// A nonce that is used, by a transaction that is none of ours. Believed only when it is deep, and no node has a receipt.
    async fn suspect(&self, epoch: i64, slot: &Slot, view: ChainView) -> Result<bool, LaneError> {
        let Some(deep) = view.height.checked_sub(self.limits.confirmations) else {
            return Ok(false);
        };
        let used = self.nodes.nonce_at(self.signer.address(), deep).await?;
        if number(used) <= slot.nonce {
            return Ok(false);
        }
        let hashes = slot.attempts.iter().map(|attempt| hash(&attempt.hash));
        let hashes = hashes.collect::<Result<Vec<H256>, _>>()?;
        if self.nodes.anybody_has_receipt(&hashes).await {
            return Ok(false);
        }
        tracing::error!(
            lane = self.address(),
            nonce = slot.nonce,
            "somebody else signs with this key: the lane is paused"
        );
        metrics::counter!("mint_foreign_nonces_total").increment(1);
        let items = view::items(self.db(), &self.key(), &[slot.nonce]).await?;
        let work = self.fenced(epoch).await?;
        view::moved(work.txn(), &self.key(), &[slot.nonce], "FOREIGN").await?;
        self.record_all(&work, &ids(&items), |_, mint| mint.release()).await?;
        self.pause(&work, PauseReason::ForeignNonce).await?;
        work.commit().await?;
        Ok(true)
    }

    /// Nonces above all of ours that are used all the same.
    async fn unknown_nonces(&self, epoch: i64, view: ChainView) -> Result<bool, LaneError> {
        let key = self.key();
        let Some(last) = view::last_nonce(self.db(), &key).await? else { return Ok(false) };
        if view.mined_nonce <= last + 1 {
            return Ok(false);
        }
        let Some(deep) = view.height.checked_sub(self.limits.confirmations) else {
            return Ok(false);
        };
        let used = number(self.nodes.nonce_at(self.signer.address(), deep).await?);
        if used <= last + 1 {
            return Ok(false);
        }
        tracing::error!(
            lane = self.address(),
            from = last + 1,
            to = used - 1,
            "somebody else signs with this key: the lane is paused"
        );
        metrics::counter!("mint_foreign_nonces_total").increment(unsigned(used - last - 1));
        let work = self.fenced(epoch).await?;
        view::insert_foreign(work.txn(), &key, last + 1, used - 1).await?;
        self.pause(&work, PauseReason::ForeignNonce).await?;
        work.commit().await?;
        Ok(true)
    }
}

fn mined_at(nonce: i64, receipt: &Receipt) -> MinedAt {
    MinedAt {
        nonce,
        hash: evm_chain::word(receipt.transaction_hash.0),
        block: number(receipt.block_number.0),
        block_hash: evm_chain::word(receipt.block_hash.0),
        succeeded: receipt.status.0 == 1,
        gas_used: number(receipt.gas_used.0),
        gas_price: number(receipt.effective_gas_price.0),
    }
}

/// The mints of slots.
pub(super) fn ids(items: &[SlotItem]) -> Vec<MintId> {
    items.iter().map(|item| item.mint_id).collect()
}
