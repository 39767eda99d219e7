//! What the chain did: transactions that came into a block, blocks that went away, nonces that somebody else used.

use evm_chain::{
    H256,
    answers::Receipt,
    contract::{Log, Outcome},
};
use shared_schemas::lane::PauseReason;

use super::{
    context::{ChainView, LaneContext, LaneError, hash, number, token, unsigned},
    step::Step,
};
use crate::{
    mint::aggregate::Mint,
    slot::view::{self, MinedAt, Slot},
};

impl LaneContext {
    /// Compares slots that should be in a block with the chain; whether anything has changed.
    pub(super) async fn observe(
        &self,
        epoch: i64,
        slots: &[Slot],
        view: ChainView,
    ) -> Result<bool, LaneError> {
        let gone = self.reorganised(slots).await?;
        for slot in &gone {
            self.note_reorg(epoch, slot).await?;
        }
        let is_gone = |slot: &Slot| gone.iter().any(|gone| gone.nonce == slot.nonce);
        let due: Vec<&Slot> = slots
            .iter()
            .filter(|slot| slot.nonce < view.mined_nonce)
            .filter(|slot| slot.state != "MINED" || is_gone(slot))
            .collect();
        let mut changed = !gone.is_empty();
        let hashes = due.iter().flat_map(|slot| &slot.attempts).map(|attempt| hash(&attempt.hash));
        let hashes = hashes.collect::<Result<Vec<H256>, _>>()?;
        let receipts = self.nodes.receipts(&hashes).await?;
        let receipts: Vec<Receipt> = receipts.into_iter().flatten().collect();
        for slot in due {
            match receipts.iter().find(|receipt| is_of(slot, receipt)) {
                Some(receipt) => {
                    self.note_mined(epoch, slot, receipt).await?;
                    changed = true;
                }
                None => changed |= self.suspect(epoch, slot, view).await?,
            }
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

    async fn note_reorg(&self, epoch: i64, slot: &Slot) -> Result<(), LaneError> {
        tracing::warn!(lane = self.address(), nonce = slot.nonce, "a block with mints went away");
        metrics::counter!("mint_reorgs_total").increment(1);
        let work = self.fenced(epoch).await?;
        view::reorged(work.txn(), &self.key(), slot.nonce).await?;
        for item in &slot.items {
            self.record(&work, item.mint_id, Mint::reorg).await?;
        }
        work.commit().await?;
        (self.watch)(Step::Reorged);
        Ok(())
    }

    async fn note_mined(
        &self,
        epoch: i64,
        slot: &Slot,
        receipt: &Receipt,
    ) -> Result<(), LaneError> {
        let outcomes =
            self.contract.outcomes(&receipt.logs.iter().map(Log::from).collect::<Vec<_>>());
        let (block_hash, tx) =
            (evm_chain::word(receipt.block_hash.0), evm_chain::word(receipt.transaction_hash.0));
        let at = MinedAt {
            hash: &tx,
            block: number(receipt.block_number.0),
            block_hash: &block_hash,
            succeeded: receipt.status.0 == 1,
            gas_used: number(receipt.gas_used.0),
            gas_price: number(receipt.effective_gas_price.0),
        };
        let work = self.fenced(epoch).await?;
        view::mined(work.txn(), &self.key(), slot.nonce, &at).await?;
        for item in &slot.items {
            let id = token(&item.token_id)?;
            let is_there = outcomes.iter().any(|(minted, outcome)| {
                *minted == id && matches!(outcome, Outcome::Minted | Outcome::Skipped)
            });
            if is_there {
                let block = receipt.block_number.0;
                self.record(&work, item.mint_id, |mint| mint.mine(&tx, block, &block_hash)).await?;
            }
        }
        work.commit().await?;
        metrics::counter!("mint_transactions_mined_total").increment(1);
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
        let work = self.fenced(epoch).await?;
        view::moved(work.txn(), &self.key(), slot.nonce, "FOREIGN").await?;
        for item in &slot.items {
            self.record(&work, item.mint_id, Mint::release).await?;
        }
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

/// Whether a receipt is of one of the slot's transactions.
fn is_of(slot: &Slot, receipt: &Receipt) -> bool {
    let tx = evm_chain::word(receipt.transaction_hash.0);
    slot.attempts.iter().any(|attempt| attempt.hash == tx)
}
