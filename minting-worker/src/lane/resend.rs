//! Transactions that are in no block yet: sent again when the chain does not know them, and at a higher fee when they are stuck.

use std::{collections::HashMap, time::Duration};

use evm_chain::{Call, Fees, H256, Item, Market, sign};
use shared_schemas::MintId;

use super::{
    context::{ChainView, LaneContext, LaneError, address, hash, number, token, unsigned},
    observe::{ROUND, ids},
    step::Step,
};
use crate::slot::view::{self, Attempt, NewAttempt, Slot, SlotItem};

/// How long after its signature a transaction that a node had is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

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
        let now = self.clock.now();
        let waited = |newest: &Attempt| (now - newest.signed_at).to_std().unwrap_or_default();
        // What a node had a moment ago it still has.
        let doubted: Vec<(&Slot, &Attempt)> = open
            .iter()
            .filter(|(slot, newest)| slot.state == "SIGNED" || waited(newest) >= LOOK_AGAIN)
            .copied()
            .collect();
        for doubted in doubted.chunks(ROUND) {
            self.look_up(epoch, doubted).await?;
        }
        let stuck: Vec<(&Slot, &Attempt)> = open
            .into_iter()
            .filter(|(_, newest)| waited(newest) > self.limits.bump_after)
            .collect();
        if stuck.is_empty() {
            return Ok(());
        }
        let market = Market::read(&self.nodes).await?;
        for (slot, newest) in stuck {
            let cannot_be_mined = unsigned(newest.max_fee) < market.base;
            if slot.nonce == view.mined_nonce || cannot_be_mined {
                self.bump(epoch, slot, newest, market).await?;
            }
        }
        Ok(())
    }

    /// Sends what no node knows, and notes what one does.
    async fn look_up(&self, epoch: i64, open: &[(&Slot, &Attempt)]) -> Result<(), LaneError> {
        let hashes = open.iter().map(|(_, newest)| hash(&newest.hash));
        let known = self.nodes.known(&hashes.collect::<Result<Vec<H256>, _>>()?).await?;
        let (mut lost, mut noted) = (Vec::new(), HashMap::new());
        for ((slot, newest), is_known) in open.iter().zip(known) {
            if !is_known {
                lost.push(newest.raw.as_slice());
            } else if slot.state == "SIGNED" {
                noted.insert(slot.nonce, newest.hash.as_str());
            }
        }
        if !lost.is_empty() {
            self.nodes.send(&lost).await;
            metrics::counter!("mint_transactions_sent_total").increment(lost.len() as u64);
            (self.watch)(Step::Sent);
        }
        if noted.is_empty() {
            return Ok(());
        }
        self.note_broadcast(epoch, &noted).await
    }

    async fn note_broadcast(
        &self,
        epoch: i64,
        noted: &HashMap<i64, &str>,
    ) -> Result<(), LaneError> {
        let nonces: Vec<i64> = noted.keys().copied().collect();
        let items = view::items(self.db(), &self.key(), &nonces).await?;
        let hash_of: HashMap<MintId, &str> = items
            .iter()
            .filter_map(|item| Some((item.mint_id, *noted.get(&item.nonce)?)))
            .collect();
        let work = self.fenced(epoch).await?;
        view::moved(work.txn(), &self.key(), &nonces, "BROADCAST").await?;
        self.record_all(&work, &ids(&items), |id, mint| {
            hash_of.get(&id).map_or_else(Vec::new, |hash| mint.broadcast(hash))
        })
        .await?;
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
        let items = view::items(self.db(), &self.key(), &[slot.nonce]).await?;
        let call = Call {
            to: Some(self.contract.address),
            input: evm_chain::ContentToken::mint_many(&calls(&items)?),
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
        self.record_all(&work, &ids(&items), |_, mint| mint.sign(&hash, nonce, which, fees.max))
            .await?;
        view::moved(work.txn(), &self.key(), &[slot.nonce], "SIGNED").await?;
        work.commit().await?;
        metrics::counter!("mint_fee_bumps_total").increment(1);
        (self.watch)(Step::Bumped);
        self.nodes.send(&[&signed.raw]).await;
        (self.watch)(Step::Sent);
        Ok(())
    }
}

/// What was signed to be minted, as the contract takes it.
pub(super) fn calls(items: &[SlotItem]) -> Result<Vec<Item>, LaneError> {
    let call = |item: &SlotItem| {
        Ok(Item {
            owner: address(&item.owner).ok_or(LaneError::Row("an address"))?,
            token_id: token(&item.token_id)?,
            digest: evm_chain::parse_word(&item.digest).ok_or(LaneError::Row("a digest"))?,
        })
    };
    items.iter().map(call).collect()
}
