//! Transactions that are in no block yet: sent again when the chain does not know them, and at a higher fee when they are stuck.

use evm_chain::{Call, Fees, H256, Item, Market, sign};

use super::{
    context::{ChainView, LaneContext, LaneError, address, hash, number, token, unsigned},
    step::Step,
};
use crate::slot::view::{self, Attempt, NewAttempt, Slot};

impl LaneContext {
    /// Sends again, notes what nodes have, and raises fees.
    pub(super) async fn resend(
        &self,
        epoch: i64,
        slots: &[Slot],
        view: ChainView,
    ) -> Result<(), LaneError> {
        let open: Vec<(&Slot, &Attempt)> = slots
            .iter()
            .filter(|slot| slot.state != "MINED" && slot.nonce >= view.mined_nonce)
            .filter_map(|slot| Some((slot, slot.attempts.last()?)))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let hashes = open.iter().map(|(_, newest)| hash(&newest.hash));
        let known = self.nodes.known(&hashes.collect::<Result<Vec<H256>, _>>()?).await?;
        let known: Vec<((&Slot, &Attempt), bool)> = open.into_iter().zip(known).collect();

        let lost = known.iter().filter(|(_, is_known)| !is_known);
        let lost: Vec<&[u8]> = lost.map(|((_, newest), _)| newest.raw.as_slice()).collect();
        if !lost.is_empty() {
            self.nodes.send(&lost).await;
            metrics::counter!("mint_transactions_sent_total").increment(lost.len() as u64);
            (self.watch)(Step::Sent);
        }
        for ((slot, newest), is_known) in &known {
            if *is_known && slot.state == "SIGNED" {
                self.note_broadcast(epoch, slot, &newest.hash).await?;
            }
        }
        let market = Market::read(&self.nodes).await?;
        for ((slot, newest), _) in known {
            let waited = (self.clock.now() - newest.signed_at).to_std().unwrap_or_default();
            let cannot_be_mined = unsigned(newest.max_fee) < market.base;
            let is_next = slot.nonce == view.mined_nonce;
            if waited > self.limits.bump_after && (is_next || cannot_be_mined) {
                self.bump(epoch, slot, newest, market).await?;
            }
        }
        Ok(())
    }

    async fn note_broadcast(&self, epoch: i64, slot: &Slot, hash: &str) -> Result<(), LaneError> {
        let work = self.fenced(epoch).await?;
        view::moved(work.txn(), &self.key(), slot.nonce, "BROADCAST").await?;
        for item in &slot.items {
            self.record(&work, item.mint_id, |mint| mint.broadcast(hash)).await?;
        }
        work.commit().await?;
        (self.watch)(Step::Noted);
        Ok(())
    }

    /// Another transaction under the same nonce, which mints the same at a higher fee.
    async fn bump(
        &self,
        epoch: i64,
        slot: &Slot,
        newest: &Attempt,
        market: Market,
    ) -> Result<(), LaneError> {
        let fees = Fees { max: unsigned(newest.max_fee), tip: unsigned(newest.priority_fee) };
        let Some(fees) = fees.bumped(market, self.limits.fee_cap) else {
            // At the cap: the chain must become cheaper. The same bytes stay with the nodes.
            tracing::debug!(lane = self.address(), nonce = slot.nonce, "stuck at the fee cap");
            return Ok(());
        };
        let items = slot.items.iter().map(|item| {
            Ok(Item {
                owner: address(&item.owner).ok_or(LaneError::Row("an address"))?,
                token_id: token(&item.token_id)?,
                digest: evm_chain::parse_word(&item.digest).ok_or(LaneError::Row("a digest"))?,
            })
        });
        let items = items.collect::<Result<Vec<Item>, LaneError>>()?;
        let call = Call {
            to: Some(self.contract.address),
            input: evm_chain::ContentToken::mint_many(&items),
            gas: unsigned(slot.gas_limit),
        };
        let nonce = unsigned(slot.nonce);
        let signed = sign(&*self.signer, self.nodes.chain_id(), nonce, &call, fees).await?;
        let hash = evm_chain::word(signed.hash.0);
        let attempt = NewAttempt {
            nonce: slot.nonce,
            attempt: newest.attempt + 1,
            hash: &hash,
            raw: &signed.raw,
            max_fee: number(fees.max),
            priority_fee: number(fees.tip),
        };
        let work = self.fenced(epoch).await?;
        view::insert_attempt(work.txn(), &self.key(), &attempt).await?;
        let which = u32::try_from(attempt.attempt).unwrap_or(u32::MAX);
        for item in &slot.items {
            self.record(&work, item.mint_id, |mint| mint.sign(&hash, nonce, which, fees.max))
                .await?;
        }
        view::moved(work.txn(), &self.key(), slot.nonce, "SIGNED").await?;
        work.commit().await?;
        metrics::counter!("mint_fee_bumps_total").increment(1);
        (self.watch)(Step::Bumped);
        self.nodes.send(&[&signed.raw]).await;
        (self.watch)(Step::Sent);
        Ok(())
    }
}
