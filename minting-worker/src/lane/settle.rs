//! What is deep enough is final: tokens are there, or their mints are given up or tried again.

use std::collections::HashMap;

use evm_chain::{
    ContentToken, H256, Revert, U256,
    answers::Receipt,
    contract::{Log, Outcome},
};
use shared_schemas::mint::ParkReason;

use super::{
    context::{ChainView, LaneContext, LaneError, hash, token, unsigned},
    observe::{ROUND, ids},
    resend::calls,
    step::Step,
};
use crate::{
    mint::view as mints,
    slot::view::{self, Slot, SlotItem},
};

/// A slot whose transaction is where it will stay.
struct Settled<'a> {
    slot: &'a Slot,
    block: u64,
    mined: String,
    block_hash: String,
    receipt: Receipt,
    /// What happened to which token.
    outcomes: HashMap<U256, Outcome>,
    /// It was to mint more than one token.
    is_shared: bool,
    reverted: Reverted,
}

/// Whether a transaction was reverted.
enum Reverted {
    /// It did what it was to do.
    No,
    /// It was, and the contract would take the same batch now.
    NotNow,
    /// It was, and this is what the contract says to the same batch now.
    For(Revert),
}

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
        let mut deep = Vec::new();
        for slot in slots.iter().filter(|slot| slot.state == "MINED") {
            let block = unsigned(slot.block.ok_or(LaneError::Row("a block"))?);
            if self.is_settled(block, view) {
                deep.push((slot, block));
            }
        }
        for deep in deep.chunks(ROUND) {
            self.settle_slots(epoch, deep).await?;
        }
        Ok(())
    }

    async fn settle_slots(&self, epoch: i64, deep: &[(&Slot, u64)]) -> Result<(), LaneError> {
        let mut settled = self.certain(deep).await?;
        if settled.is_empty() {
            return Ok(());
        }
        let nonces: Vec<i64> = settled.iter().map(|one| one.slot.nonce).collect();
        let items = view::items(self.db(), &self.key(), &nonces).await?;
        let mut questions = Vec::new();
        for item in &items {
            let block = settled.iter().find(|one| one.slot.nonce == item.nonce);
            let block = block.ok_or(LaneError::Row("a slot"))?.block;
            questions.push((ContentToken::digest_of(token(&item.token_id)?), block));
        }
        let digests = self.nodes.read_agreed_at(self.contract.address, &questions).await?;
        for one in settled.iter_mut().filter(|one| one.receipt.status.0 != 1) {
            let of: Vec<SlotItem> =
                items.iter().filter(|item| item.nonce == one.slot.nonce).cloned().collect();
            one.is_shared = of.len() > 1;
            one.reverted = match self.why_reverted(&of).await? {
                Some(revert) => Reverted::For(revert),
                None => Reverted::NotNow,
            };
        }
        let mut verdicts = HashMap::new();
        for (item, digest) in items.iter().zip(digests) {
            let Some(one) = settled.iter().find(|one| one.slot.nonce == item.nonce) else {
                continue;
            };
            let there = ContentToken::digest_in(&digest).map(evm_chain::word);
            verdicts.insert(item.mint_id, (verdict(item, there.as_deref(), one)?, one));
        }
        let work = self.fenced(epoch).await?;
        self.record_all(&work, &ids(&items), |id, mint| match verdicts.get(&id) {
            Some((Verdict::Final, one)) => mint.finish_at(&one.mined, one.block, &one.block_hash),
            Some((Verdict::Park(reason, detail), _)) => mint.park(*reason, detail),
            Some((Verdict::Release, _)) => mint.release(),
            None => Vec::new(),
        })
        .await?;
        view::moved(work.txn(), &self.key(), &nonces, "FINAL").await?;
        work.commit().await?;
        let gas = settled.iter().map(|one| one.receipt.gas_used.0).sum();
        metrics::counter!("mint_gas_used_total").increment(gas);
        (self.watch)(Step::Final);
        Ok(())
    }

    /// Those whose block more than half of the nodes have at its height, with a receipt from there: one node's word is not
    /// enough for what is never looked at again.
    async fn certain<'a>(&self, deep: &[(&'a Slot, u64)]) -> Result<Vec<Settled<'a>>, LaneError> {
        let mut heights: Vec<u64> = deep.iter().map(|(_, block)| *block).collect();
        heights.dedup();
        let agreed = self.nodes.agreed_hashes(&heights).await;
        let agreed: HashMap<u64, Option<H256>> = heights.into_iter().zip(agreed).collect();
        let (mut sure, mut hashes) = (Vec::new(), Vec::new());
        for (slot, block) in deep {
            let block_hash = slot.block_hash.as_deref().ok_or(LaneError::Row("a block's hash"))?;
            let mined = slot.mined_hash.as_deref().ok_or(LaneError::Row("a transaction's hash"))?;
            if agreed.get(block).copied().flatten() == Some(hash(block_hash)?) {
                hashes.push(hash(mined)?);
                sure.push((*slot, *block, block_hash, mined));
            }
        }
        let receipts = self.nodes.receipts(&hashes).await?;
        let settled = sure.into_iter().zip(receipts).filter_map(|(sure, receipt)| {
            let (slot, block, block_hash, mined) = sure;
            let receipt = receipt.filter(|receipt| {
                receipt.block_number.0 == block
                    && evm_chain::word(receipt.block_hash.0) == block_hash
            })?;
            let logs: Vec<Log> = receipt.logs.iter().map(Log::from).collect();
            let outcomes = self.contract.outcomes(&logs).into_iter().collect();
            let (mined, block_hash) = (mined.to_owned(), block_hash.to_owned());
            let (is_shared, reverted) = (false, Reverted::No);
            Some(Settled { slot, block, mined, block_hash, receipt, outcomes, is_shared, reverted })
        });
        Ok(settled.collect())
    }

    /// What the contract would say to the same batch now; `None` if it would take it.
    async fn why_reverted(&self, items: &[SlotItem]) -> Result<Option<Revert>, LaneError> {
        let input = ContentToken::mint_many(&calls(items)?);
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
    pub(super) async fn settle_adopted(
        &self,
        epoch: i64,
        view: ChainView,
    ) -> Result<(), LaneError> {
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

/// `there` is the digest of the token on the chain.
fn verdict(
    item: &SlotItem,
    there: Option<&str>,
    settled: &Settled<'_>,
) -> Result<Verdict, LaneError> {
    if there == Some(item.digest.as_str()) {
        return Ok(Verdict::Final);
    }
    if let Some(other) = there {
        let detail = format!("the token has the digest {other}, and {} was asked", item.digest);
        return Ok(Verdict::Park(ParkReason::DifferentContent, detail));
    }
    match &settled.reverted {
        Reverted::No => {}
        // Others of its batch may be the reason: each is tried alone.
        Reverted::NotNow | Reverted::For(_) if settled.is_shared => return Ok(Verdict::Release),
        Reverted::For(revert) => {
            return Ok(Verdict::Park(park_reason(revert), revert.to_string()));
        }
        Reverted::NotNow => {
            let detail = "reverted on the chain, and would not be now".to_owned();
            return Ok(Verdict::Park(ParkReason::Reverted, detail));
        }
    }
    let failed = settled.outcomes.get(&token(&item.token_id)?).and_then(|outcome| match outcome {
        Outcome::Failed(reason) => Some(reason.to_string()),
        Outcome::Minted | Outcome::Skipped | Outcome::Conflict(_) => None,
    });
    Ok(match failed {
        Some(detail) => Verdict::Park(ParkReason::RecipientRefuses, detail),
        // Neither minted nor refused: its transaction did something else.
        None => Verdict::Release,
    })
}

/// Why a mint is given up, by what the contract said.
pub(super) fn park_reason(revert: &Revert) -> ParkReason {
    match revert.name.as_str() {
        "AccessControlUnauthorizedAccount" => ParkReason::Unauthorized,
        "EnforcedPause" => ParkReason::ContractPaused,
        "DifferentContent" => ParkReason::DifferentContent,
        "ERC1155InvalidReceiver" => ParkReason::RecipientRefuses,
        "ZeroDigest" => ParkReason::Malformed,
        _ => ParkReason::Reverted,
    }
}
