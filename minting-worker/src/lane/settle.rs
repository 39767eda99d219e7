//! What is deep enough is final: tokens are there, or their mints are given up or tried again.

use evm_chain::{
    ContentToken,
    contract::{Log, Outcome},
};
use shared_schemas::mint::ParkReason;

use super::{
    context::{ChainView, LaneContext, LaneError, hash, token, unsigned},
    step::Step,
};
use crate::{
    mint::{aggregate::Mint, view as mints},
    slot::view::{self, Slot, SlotItem},
};

/// What becomes of a mint whose transaction is final.
enum Verdict {
    Final,
    Park(ParkReason, String),
    Release,
}

impl LaneContext {
    /// Whether a block of this height is deep enough.
    fn is_settled(&self, block: u64, view: ChainView) -> bool {
        let is_deep = block.saturating_add(self.limits.confirmations) <= view.height;
        let is_finalized = view.finalized.is_none_or(|finalized| block <= finalized);
        is_deep && (is_finalized || !self.limits.needs_finalized)
    }

    /// Settles slots whose block is deep enough.
    pub(super) async fn settle(
        &self,
        epoch: i64,
        slots: &[Slot],
        view: ChainView,
    ) -> Result<(), LaneError> {
        for slot in slots.iter().filter(|slot| slot.state == "MINED") {
            let block = unsigned(slot.block.ok_or(LaneError::Row("a block"))?);
            if self.is_settled(block, view) {
                self.settle_slot(epoch, slot, block).await?;
            }
        }
        self.settle_adopted(epoch, view).await
    }

    async fn settle_slot(&self, epoch: i64, slot: &Slot, block: u64) -> Result<(), LaneError> {
        let block_hash = slot.block_hash.as_deref().ok_or(LaneError::Row("a block's hash"))?;
        let mined = slot.mined_hash.as_deref().ok_or(LaneError::Row("a transaction's hash"))?;
        // One node's word is not enough for what is never looked at again.
        if self.nodes.agreed_hash(block).await != Some(hash(block_hash)?) {
            return Ok(());
        }
        let receipt = self.nodes.receipts(&[hash(mined)?]).await?.into_iter().flatten().next();
        let Some(receipt) = receipt.filter(|receipt| {
            receipt.block_number.0 == block && evm_chain::word(receipt.block_hash.0) == block_hash
        }) else {
            return Ok(());
        };
        let inputs =
            slot.items.iter().map(|item| Ok(ContentToken::digest_of(token(&item.token_id)?)));
        let inputs = inputs.collect::<Result<Vec<_>, LaneError>>()?;
        let digests = self.nodes.read_agreed(self.contract.address, &inputs, block).await?;
        let reverted =
            if receipt.status.0 == 1 { None } else { Some(self.why_reverted(slot).await?) };
        let outcomes =
            self.contract.outcomes(&receipt.logs.iter().map(Log::from).collect::<Vec<_>>());

        let work = self.fenced(epoch).await?;
        for (item, digest) in slot.items.iter().zip(digests) {
            let there = ContentToken::digest_in(&digest).map(evm_chain::word);
            let verdict = verdict(item, there.as_deref(), &outcomes, reverted.as_ref(), slot)?;
            match verdict {
                Verdict::Final => {
                    let tx = mined;
                    self.record(&work, item.mint_id, |mint| mint.finish_at(tx, block, block_hash))
                        .await?;
                }
                Verdict::Park(reason, detail) => {
                    self.record(&work, item.mint_id, |mint| mint.park(reason, &detail)).await?;
                }
                Verdict::Release => {
                    self.record(&work, item.mint_id, Mint::release).await?;
                }
            }
        }
        view::moved(work.txn(), &self.key(), slot.nonce, "FINAL").await?;
        work.commit().await?;
        metrics::counter!("mint_gas_used_total").increment(receipt.gas_used.0);
        (self.watch)(Step::Final);
        Ok(())
    }

    /// What the contract would say to the same batch now; `None` if it would take it.
    async fn why_reverted(&self, slot: &Slot) -> Result<Option<evm_chain::Revert>, LaneError> {
        let items = slot.items.iter().map(|item| {
            Ok(evm_chain::Item {
                owner: super::context::address(&item.owner).ok_or(LaneError::Row("an address"))?,
                token_id: token(&item.token_id)?,
                digest: evm_chain::parse_word(&item.digest).ok_or(LaneError::Row("a digest"))?,
            })
        });
        let items = items.collect::<Result<Vec<_>, LaneError>>()?;
        let input = ContentToken::mint_many(&items);
        let estimate =
            self.nodes.estimate(self.signer.address(), Some(self.contract.address), &input).await;
        match estimate {
            Ok(_) => Ok(None),
            Err(error) => match error.revert_data() {
                Some(data) => Ok(Some(ContentToken::revert(&data))),
                None => Err(error.into()),
            },
        }
    }

    /// Mints that were found on the chain and are in no slot.
    async fn settle_adopted(&self, epoch: i64, view: ChainView) -> Result<(), LaneError> {
        for adopted in mints::adopted(self.db()).await? {
            let Some((block, known)) = adopted.block.map(unsigned).zip(adopted.block_hash) else {
                continue;
            };
            let there = self.nodes.block_hashes(&[block]).await?.into_iter().flatten().next();
            let is_there = there.map(|hash| evm_chain::word(hash.0)).as_deref() == Some(&known);
            if is_there && !self.is_settled(block, view) {
                continue;
            }
            let work = self.fenced(epoch).await?;
            self.record(&work, adopted.id, |mint| {
                if is_there { mint.finish(block, &known) } else { mint.release() }
            })
            .await?;
            work.commit().await?;
        }
        Ok(())
    }
}

/// `reverted` holds what the contract says to the whole batch now, if its transaction was reverted.
fn verdict(
    item: &SlotItem,
    there: Option<&str>,
    outcomes: &[(evm_chain::U256, Outcome)],
    reverted: Option<&Option<evm_chain::Revert>>,
    slot: &Slot,
) -> Result<Verdict, LaneError> {
    if there == Some(item.digest.as_str()) {
        return Ok(Verdict::Final);
    }
    if let Some(other) = there {
        let detail = format!("the token has the digest {other}, and {} was asked", item.digest);
        return Ok(Verdict::Park(ParkReason::DifferentContent, detail));
    }
    if let Some(why) = reverted {
        return Ok(match why {
            // Others of its batch may be the reason: each is tried alone.
            _ if slot.items.len() > 1 => Verdict::Release,
            Some(revert) => Verdict::Park(park_reason(revert), revert.to_string()),
            None => Verdict::Park(
                ParkReason::Reverted,
                "reverted on the chain, and would not be now".to_owned(),
            ),
        });
    }
    let id = token(&item.token_id)?;
    let failed = outcomes.iter().find_map(|(minted, outcome)| match outcome {
        Outcome::Failed(reason) if *minted == id => Some(reason.to_string()),
        Outcome::Failed(_) | Outcome::Minted | Outcome::Skipped | Outcome::Conflict(_) => None,
    });
    Ok(match failed {
        Some(detail) => Verdict::Park(ParkReason::RecipientRefuses, detail),
        // Neither minted nor refused: its transaction did something else.
        None => Verdict::Release,
    })
}

/// Why a mint is given up, by what the contract said.
pub(super) fn park_reason(revert: &evm_chain::Revert) -> ParkReason {
    match revert.name.as_str() {
        "AccessControlUnauthorizedAccount" => ParkReason::Unauthorized,
        "EnforcedPause" => ParkReason::ContractPaused,
        "DifferentContent" => ParkReason::DifferentContent,
        "ERC1155InvalidReceiver" => ParkReason::RecipientRefuses,
        "ZeroDigest" => ParkReason::Malformed,
        _ => ParkReason::Reverted,
    }
}
