//! What waits for a lane, made into batches: looked up on the chain and tried there before anybody pays.

use evm_chain::{ContentToken, Item, Revert};
use shared_schemas::{MintId, mint::ParkReason};

use super::{
    context::{ChainView, LaneContext, LaneError, address, token_of},
    settle::park_reason,
};
use crate::{
    mint::view::Waiting,
    slot::view::{self, NewItem},
};

/// A mint that can go into a batch.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: MintId,
    pub(super) item: Item,
    is_contract: bool,
}

/// A batch that the contract would take, and the most gas that it may use.
pub(super) struct Batch {
    pub(super) candidates: Vec<Candidate>,
    pub(super) gas: u64,
}

impl LaneContext {
    /// Leaves out what cannot be minted, and what is on the chain already.
    pub(super) async fn checked(
        &self,
        epoch: i64,
        waiting: Vec<Waiting>,
        view: ChainView,
    ) -> Result<Vec<Vec<Candidate>>, LaneError> {
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
        self.batches(new).await
    }

    /// Batches by number and gas; what was in a reverted transaction goes alone.
    async fn batches(&self, new: Vec<Candidate>) -> Result<Vec<Vec<Candidate>>, LaneError> {
        let ids: Vec<MintId> = new.iter().map(|one| one.id).collect();
        let alone = view::failed_before(self.db(), &ids).await?;
        let (single, mut rest): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|one| alone.contains(&one.id));
        let mut batches: Vec<Vec<Candidate>> = single.into_iter().map(|one| vec![one]).collect();
        while !rest.is_empty() {
            let mut count = rest.len().min(self.limits.batch_items);
            while count > 1
                && rest.get(..count).is_some_and(|some| formula(some) > self.limits.batch_gas)
            {
                count -= 1;
            }
            let later = rest.split_off(count);
            batches.push(rest);
            rest = later;
        }
        Ok(batches)
    }

    /// Whether the token was there at a height.
    async fn was_minted(&self, one: &Candidate, height: u64) -> Result<bool, LaneError> {
        let inputs = [ContentToken::digest_of(one.item.token_id)];
        let answers = self.nodes.read(self.contract.address, &inputs, Some(height)).await?;
        let answer = answers.into_iter().next().transpose();
        let there =
            answer.map_err(|source| evm_chain::NodesError::Unanswered { nodes: 1, source })?;
        Ok(there.is_some_and(|there| ContentToken::digest_in(&there).is_some()))
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
            if !self.was_minted(one, view.height).await? {
                // In a block behind those that this round looks at: the next one finds it.
                return Ok(());
            }
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

    /// Asks the chain what batches would do, before anybody pays. What would be reverted for its own sake is parked; what
    /// would be reverted for the lane's waits.
    pub(super) async fn tried(
        &self,
        epoch: i64,
        batches: Vec<Vec<Candidate>>,
    ) -> Result<Vec<Batch>, LaneError> {
        let calls: Vec<(Vec<u8>, u64)> =
            batches.iter().map(|batch| (input(batch), formula(batch))).collect();
        let (from, to) = (self.signer.address(), self.contract.address);
        let answers = self.nodes.try_calls(from, to, &calls).await?;
        let mut taken = Vec::new();
        for ((candidates, (_, gas)), answer) in batches.into_iter().zip(calls).zip(answers) {
            // Whatever is not plainly taken is asked again by itself, with as much gas as it likes.
            let estimate = match answer {
                Ok(()) => Ok(gas),
                Err(_) => self.dry_run(&candidates).await?,
            };
            match estimate {
                Ok(estimated) => {
                    let gas = if estimated > gas { estimated + estimated / 5 } else { gas };
                    taken.push(Batch { candidates, gas });
                }
                Err(revert) => match park_reason(&revert) {
                    ParkReason::Unauthorized => {
                        self.hold(Some(&format!("MISSING_ROLE: {revert}"))).await?;
                        return Ok(Vec::new());
                    }
                    ParkReason::ContractPaused => {
                        self.hold(Some(&format!("CONTRACT_PAUSED: {revert}"))).await?;
                        return Ok(Vec::new());
                    }
                    ParkReason::RecipientRefuses
                    | ParkReason::DifferentContent
                    | ParkReason::Reverted
                    | ParkReason::Malformed
                    | ParkReason::Operator => self.park_refused(epoch, candidates).await?,
                },
            }
        }
        Ok(taken)
    }

    /// Parks those of a batch that are refused alone, too; the others wait for the next one.
    async fn park_refused(&self, epoch: i64, candidates: Vec<Candidate>) -> Result<(), LaneError> {
        for one in candidates {
            if let Err(revert) = self.dry_run(std::slice::from_ref(&one)).await? {
                self.park(epoch, one.id, park_reason(&revert), &revert.to_string()).await?;
            }
        }
        Ok(())
    }

    async fn dry_run(&self, candidates: &[Candidate]) -> Result<Result<u64, Revert>, LaneError> {
        let (from, to) = (self.signer.address(), Some(self.contract.address));
        match self.nodes.estimate(from, to, &input(candidates)).await {
            Ok(gas) => Ok(Ok(gas)),
            Err(error) => match error.revert_data() {
                Some(data) => Ok(Err(ContentToken::revert(&data))),
                None => Err(error.into()),
            },
        }
    }
}

/// What mints these.
pub(super) fn input(candidates: &[Candidate]) -> Vec<u8> {
    let items: Vec<Item> = candidates.iter().map(|one| one.item).collect();
    ContentToken::mint_many(&items)
}

/// The most gas that these can use.
fn formula(candidates: &[Candidate]) -> u64 {
    let of_contracts = candidates.iter().filter(|one| one.is_contract).count();
    ContentToken::batch_gas(candidates.len(), of_contracts)
}

pub(super) fn new_item(one: &Candidate) -> NewItem {
    NewItem {
        mint_id: one.id,
        token_id: evm_chain::word(evm_chain::contract::id_bytes(one.item.token_id)),
        owner: evm_chain::checksummed(one.item.owner),
        digest: evm_chain::word(one.item.digest),
    }
}
