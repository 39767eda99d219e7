//! The rules of a mint.

use event_runtime::Aggregate;
use shared_schemas::{
    MintId, UserId,
    mint::{MintEvent, ParkReason},
    moderation::Subject,
};

/// What a command needs to know about a mint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mint {
    /// How far it is.
    pub stage: Stage,
    /// What the token will say and whose it will be, as soon as that is known.
    pub pin: Option<Pin>,
    /// The newest transaction that mints it.
    pub hash: Option<String>,
    /// The content went away when it was too late to stop the mint.
    pub is_tombstoned: bool,
    /// Why it was given up, if it is.
    pub park_reason: Option<ParkReason>,
}

/// How far a mint is. Everything from [`Signed`](Self::Signed) on may be on the chain at any moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nobody asked for it yet.
    #[default]
    Unrequested,
    /// Waits for its metadata.
    Requested,
    /// Waits for a lane.
    Pinned,
    /// In a batch of a lane.
    Planned,
    /// There is a transaction that mints it.
    Signed,
    /// A node has that transaction.
    Broadcast,
    /// In the block of this hash.
    Mined(String),
    /// Deep enough on the chain.
    Final,
    /// Given up until somebody acts.
    Parked,
    /// The content went away in time.
    Withdrawn,
}

/// What a token says and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The metadata's CID.
    pub cid: String,
    /// The CID's digest: `0x` and 64 hexadecimal digits.
    pub digest: String,
    /// The address that gets it.
    pub owner: String,
}

/// Why a command on a mint is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintRefusal {
    /// Something is signed, and what is signed cannot be taken back.
    #[error("a transaction that mints it is signed and cannot be taken back")]
    TooLate,
    /// There is nothing to try again.
    #[error("only a parked or a cancelled mint can be tried again")]
    NotParked,
    /// There is nothing to cancel.
    #[error("it is not waiting for anything")]
    NotWaiting,
}

impl Aggregate for Mint {
    type Id = MintId;
    type Event = MintEvent;

    fn evolve(self, event: &MintEvent) -> Self {
        match event {
            MintEvent::Requested { .. } => Self { stage: Stage::Requested, pin: None, ..self },
            MintEvent::Withdrawn {} => Self { stage: Stage::Withdrawn, pin: None, ..self },
            MintEvent::Pinned { cid, digest, owner } => {
                let (cid, digest, owner) = (cid.clone(), digest.clone(), owner.clone());
                Self { stage: Stage::Pinned, pin: Some(Pin { cid, digest, owner }), ..self }
            }
            MintEvent::Planned { .. } => Self { stage: Stage::Planned, ..self },
            MintEvent::Signed { hash, .. } => {
                Self { stage: Stage::Signed, hash: Some(hash.clone()), ..self }
            }
            MintEvent::Broadcast { .. } | MintEvent::Reorged { .. } => {
                Self { stage: Stage::Broadcast, ..self }
            }
            MintEvent::Mined { block_hash, .. } => {
                Self { stage: Stage::Mined(block_hash.clone()), ..self }
            }
            MintEvent::Final { .. } => Self { stage: Stage::Final, ..self },
            MintEvent::Parked { reason, .. } => {
                Self { stage: Stage::Parked, park_reason: Some(*reason), ..self }
            }
            MintEvent::Retried {} => {
                let stage = if self.pin.is_some() { Stage::Pinned } else { Stage::Requested };
                Self { stage, hash: None, park_reason: None, ..self }
            }
            MintEvent::Tombstoned {} => Self { is_tombstoned: true, ..self },
            MintEvent::Restored {} => Self { is_tombstoned: false, ..self },
        }
    }
}

impl Mint {
    /// The content is public. Asking again while the mint is on its way records nothing.
    pub fn request(&self, subject: Subject, author_id: UserId) -> Vec<MintEvent> {
        match self.stage {
            Stage::Unrequested | Stage::Withdrawn => {
                vec![MintEvent::Requested { subject, author_id }]
            }
            Stage::Requested
            | Stage::Pinned
            | Stage::Planned
            | Stage::Signed
            | Stage::Broadcast
            | Stage::Mined(_)
            | Stage::Final
            | Stage::Parked => Vec::new(),
        }
    }

    /// The content is not public any more: the mint is withdrawn while nothing is signed, and tombstoned after that.
    pub fn withdraw(&self) -> Vec<MintEvent> {
        match self.stage {
            Stage::Requested | Stage::Pinned | Stage::Planned | Stage::Parked => {
                vec![MintEvent::Withdrawn {}]
            }
            Stage::Signed | Stage::Broadcast | Stage::Mined(_) | Stage::Final
                if !self.is_tombstoned =>
            {
                vec![MintEvent::Tombstoned {}]
            }
            Stage::Signed
            | Stage::Broadcast
            | Stage::Mined(_)
            | Stage::Final
            | Stage::Unrequested
            | Stage::Withdrawn => Vec::new(),
        }
    }

    /// The content is public again: a tombstone is taken back.
    pub fn restore(&self) -> Vec<MintEvent> {
        if self.is_tombstoned { vec![MintEvent::Restored {}] } else { Vec::new() }
    }

    /// An administrator stops it while nothing is signed.
    ///
    /// # Errors
    ///
    /// [`MintRefusal::TooLate`] if something is signed, [`MintRefusal::NotWaiting`] if there is nothing to stop.
    pub fn hold_back(&self) -> Result<Vec<MintEvent>, MintRefusal> {
        match self.stage {
            Stage::Requested | Stage::Pinned => {
                let detail = "stopped by an administrator".to_owned();
                Ok(vec![MintEvent::Parked { reason: ParkReason::Operator, detail }])
            }
            Stage::Planned | Stage::Signed | Stage::Broadcast | Stage::Mined(_) | Stage::Final => {
                Err(MintRefusal::TooLate)
            }
            Stage::Parked | Stage::Unrequested | Stage::Withdrawn => Err(MintRefusal::NotWaiting),
        }
    }

    /// The metadata is kept in enough places, and the owner's address is proven. A mint that is further, or withdrawn
    /// meanwhile, stays as it is.
    pub fn pin(&self, pin: &Pin) -> Vec<MintEvent> {
        let is_waiting = matches!(self.stage, Stage::Requested | Stage::Pinned);
        if !is_waiting || self.pin.as_ref() == Some(pin) {
            return Vec::new();
        }
        let Pin { cid, digest, owner } = pin.clone();
        vec![MintEvent::Pinned { cid, digest, owner }]
    }

    /// A lane takes it into a batch; nothing if it is not waiting for one.
    pub fn plan(&self, lane: &str, token_id: &str) -> Vec<MintEvent> {
        if self.stage != Stage::Pinned {
            return Vec::new();
        }
        vec![MintEvent::Planned { lane: lane.to_owned(), erc1155_id: token_id.to_owned() }]
    }

    /// A transaction that mints it was signed; the first of its nonce, or one in the place of another.
    pub fn sign(&self, hash: &str, nonce: u64, attempt: u32, max_fee: u64) -> Vec<MintEvent> {
        let is_expected = match self.stage {
            Stage::Planned => true,
            Stage::Signed | Stage::Broadcast => self.hash.as_deref() != Some(hash),
            Stage::Unrequested
            | Stage::Requested
            | Stage::Pinned
            | Stage::Mined(_)
            | Stage::Final
            | Stage::Parked
            | Stage::Withdrawn => false,
        };
        if !is_expected {
            return Vec::new();
        }
        vec![MintEvent::Signed { hash: hash.to_owned(), nonce, attempt, max_fee }]
    }

    /// A lane takes it into a batch that is signed at once; nothing if it is not waiting for one.
    pub fn take(
        &self,
        lane: &str,
        token_id: &str,
        hash: &str,
        nonce: u64,
        max_fee: u64,
    ) -> Vec<MintEvent> {
        let mut events = self.plan(lane, token_id);
        let planned = events.iter().fold(self.clone(), Self::evolve);
        if !events.is_empty() {
            events.extend(planned.sign(hash, nonce, 1, max_fee));
        }
        events
    }

    /// A node has the transaction.
    pub fn broadcast(&self, hash: &str) -> Vec<MintEvent> {
        if self.stage != Stage::Signed || self.hash.as_deref() != Some(hash) {
            return Vec::new();
        }
        vec![MintEvent::Broadcast { hash: hash.to_owned() }]
    }

    /// The token is in a block. In another block than before, the first one is gone.
    pub fn mine(&self, hash: &str, block: u64, block_hash: &str) -> Vec<MintEvent> {
        let mined =
            MintEvent::Mined { hash: hash.to_owned(), block, block_hash: block_hash.to_owned() };
        match &self.stage {
            Stage::Mined(known) if known == block_hash => Vec::new(),
            Stage::Mined(known) => {
                vec![MintEvent::Reorged { block_hash: known.clone() }, mined]
            }
            // The first three if it is found on the chain although nobody here remembers to have minted it.
            Stage::Requested
            | Stage::Pinned
            | Stage::Parked
            | Stage::Planned
            | Stage::Signed
            | Stage::Broadcast => vec![mined],
            Stage::Unrequested | Stage::Final | Stage::Withdrawn => Vec::new(),
        }
    }

    /// The block it was in is not part of the chain any more.
    pub fn reorg(&self) -> Vec<MintEvent> {
        match &self.stage {
            Stage::Mined(block_hash) => {
                vec![MintEvent::Reorged { block_hash: block_hash.clone() }]
            }
            Stage::Unrequested
            | Stage::Requested
            | Stage::Pinned
            | Stage::Planned
            | Stage::Signed
            | Stage::Broadcast
            | Stage::Final
            | Stage::Parked
            | Stage::Withdrawn => Vec::new(),
        }
    }

    /// The block it is in is deep enough.
    pub fn finish(&self, block: u64, block_hash: &str) -> Vec<MintEvent> {
        if self.stage != Stage::Mined(block_hash.to_owned()) {
            return Vec::new();
        }
        vec![MintEvent::Final { block, block_hash: block_hash.to_owned() }]
    }

    /// The token is in a block that is deep enough, whether the block was noted before or not.
    pub fn finish_at(&self, hash: &str, block: u64, block_hash: &str) -> Vec<MintEvent> {
        let mut events = self.mine(hash, block, block_hash);
        let mined = events.iter().fold(self.clone(), Self::evolve);
        events.extend(mined.finish(block, block_hash));
        events
    }

    /// It cannot be minted as it is.
    pub fn park(&self, reason: ParkReason, detail: &str) -> Vec<MintEvent> {
        match self.stage {
            Stage::Pinned | Stage::Planned | Stage::Signed | Stage::Broadcast | Stage::Mined(_) => {
                vec![MintEvent::Parked { reason, detail: detail.to_owned() }]
            }
            Stage::Unrequested
            | Stage::Requested
            | Stage::Final
            | Stage::Parked
            | Stage::Withdrawn => Vec::new(),
        }
    }

    /// What was to mint it was spent on nothing: it waits for a lane again.
    pub fn release(&self) -> Vec<MintEvent> {
        match self.stage {
            Stage::Planned | Stage::Signed | Stage::Broadcast | Stage::Mined(_) => {
                vec![MintEvent::Retried {}]
            }
            Stage::Unrequested
            | Stage::Requested
            | Stage::Pinned
            | Stage::Final
            | Stage::Parked
            | Stage::Withdrawn => Vec::new(),
        }
    }

    /// Somebody asks for another try. What was given up for its address begins anew, with the address that its author has by now.
    ///
    /// # Errors
    ///
    /// [`MintRefusal::NotParked`] unless it is parked.
    pub fn retry(
        &self,
        subject: Subject,
        author_id: UserId,
    ) -> Result<Vec<MintEvent>, MintRefusal> {
        match self.stage {
            Stage::Parked => {
                let mut events = vec![MintEvent::Retried {}];
                if matches!(
                    self.park_reason,
                    Some(ParkReason::RecipientRefuses | ParkReason::Malformed)
                ) {
                    events.push(MintEvent::Requested { subject, author_id });
                }
                Ok(events)
            }
            Stage::Unrequested
            | Stage::Requested
            | Stage::Pinned
            | Stage::Planned
            | Stage::Signed
            | Stage::Broadcast
            | Stage::Mined(_)
            | Stage::Final
            | Stage::Withdrawn => Err(MintRefusal::NotParked),
        }
    }

    /// Somebody cancels it.
    ///
    /// # Errors
    ///
    /// [`MintRefusal::TooLate`] if something is signed, [`MintRefusal::NotWaiting`] if there is nothing to cancel.
    pub fn cancel(&self) -> Result<Vec<MintEvent>, MintRefusal> {
        match self.stage {
            Stage::Requested | Stage::Pinned | Stage::Planned | Stage::Parked => {
                Ok(vec![MintEvent::Withdrawn {}])
            }
            Stage::Signed | Stage::Broadcast | Stage::Mined(_) | Stage::Final => {
                Err(MintRefusal::TooLate)
            }
            Stage::Unrequested | Stage::Withdrawn => Err(MintRefusal::NotWaiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::PostId;
    use uuid::Uuid;

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const POST: Subject = Subject::Post(PostId(Uuid::from_u128(2)));

    fn given(events: &[MintEvent]) -> Mint {
        events.iter().fold(Mint::default(), Mint::evolve)
    }

    fn pin() -> Pin {
        Pin { cid: "bafk".to_owned(), digest: "0x01".to_owned(), owner: "0x02".to_owned() }
    }

    /// A mint after some steps, each of which must record something.
    fn after(steps: &[fn(&Mint) -> Vec<MintEvent>]) -> Mint {
        steps.iter().fold(Mint::default(), |mint, step| {
            let events = step(&mint);
            assert_ne!(events, [], "{mint:?}");
            events.iter().fold(mint, Mint::evolve)
        })
    }

    const TO_BROADCAST: [fn(&Mint) -> Vec<MintEvent>; 5] = [
        |mint| mint.request(POST, ANNA),
        |mint| mint.pin(&pin()),
        |mint| mint.plan("lane", "0x07"),
        |mint| mint.sign("0xa", 1, 1, 9),
        |mint| mint.broadcast("0xa"),
    ];

    #[test]
    fn a_mint_is_requested_once() {
        let requested = Mint::default().request(POST, ANNA);

        assert_eq!(requested, [MintEvent::Requested { subject: POST, author_id: ANNA }]);
        assert_eq!(given(&requested).request(POST, ANNA), []);
    }

    #[test]
    fn a_withdrawn_mint_can_be_requested_again() {
        let mut events = Mint::default().request(POST, ANNA);
        events.extend(given(&events).withdraw());
        assert_eq!(given(&events).stage, Stage::Withdrawn);
        assert_eq!(given(&events).withdraw(), []);

        events.extend(given(&events).request(POST, ANNA));

        assert_eq!(given(&events).stage, Stage::Requested);
    }

    #[test]
    fn what_was_never_requested_cannot_be_withdrawn() {
        assert_eq!(Mint::default().withdraw(), []);
    }

    #[test]
    fn a_withdrawal_counts_until_something_is_signed_and_leaves_a_tombstone_after_that() {
        let planned = after(&TO_BROADCAST[..3]);
        assert_eq!(planned.withdraw(), [MintEvent::Withdrawn {}]);
        let signed = after(&TO_BROADCAST[..4]);
        assert_eq!(signed.withdraw(), [MintEvent::Tombstoned {}]);
        assert_eq!(signed.cancel(), Err(MintRefusal::TooLate));

        let tombstoned = signed.evolve(&MintEvent::Tombstoned {});

        assert_eq!(tombstoned.withdraw(), []);
        assert_eq!(tombstoned.stage, Stage::Signed);
    }

    #[test]
    fn a_withdrawn_mint_is_neither_planned_nor_signed() {
        let withdrawn = after(&TO_BROADCAST[..3]).evolve(&MintEvent::Withdrawn {});

        assert_eq!(withdrawn.plan("lane", "0x07"), []);
        assert_eq!(withdrawn.sign("0xa", 1, 1, 9), []);
        assert_eq!(withdrawn.pin(&pin()), []);
    }

    #[test]
    fn a_block_that_goes_away_takes_the_mint_back() {
        let broadcast = after(&TO_BROADCAST);
        let mined = broadcast.mine("0xa", 5, "0xb").iter().fold(broadcast.clone(), Mint::evolve);
        assert_eq!(mined.mine("0xa", 5, "0xb"), []);

        let reorged = mined.reorg().iter().fold(mined.clone(), Mint::evolve);

        assert_eq!(reorged, broadcast);
        let moved = mined.mine("0xa", 6, "0xc").iter().fold(mined, Mint::evolve);
        assert_eq!(moved.finish(5, "0xb"), []);
        assert_eq!(moved.finish(6, "0xc").len(), 1);
    }

    #[test]
    fn what_is_parked_is_tried_again_when_somebody_asks() {
        let mint = after(&TO_BROADCAST);
        assert_eq!(mint.retry(POST, ANNA), Err(MintRefusal::NotParked));
        let parked = mint.park(ParkReason::Reverted, "no").iter().fold(mint, Mint::evolve);

        let retried = parked.retry(POST, ANNA).unwrap().iter().fold(parked, Mint::evolve);

        assert_eq!(retried.stage, Stage::Pinned);
        assert_eq!(retried.pin, Some(pin()));
    }

    #[test]
    fn what_was_refused_by_its_address_begins_anew_when_it_is_tried_again() {
        let mint = after(&TO_BROADCAST);
        let refused = mint.park(ParkReason::RecipientRefuses, "no");
        let parked = refused.iter().fold(mint, Mint::evolve);

        let retried = parked.retry(POST, ANNA).unwrap().iter().fold(parked, Mint::evolve);

        assert_eq!((retried.stage, retried.pin), (Stage::Requested, None));
    }

    #[test]
    fn an_administrator_stops_what_is_not_signed() {
        let pinned = after(&TO_BROADCAST[..2]);
        let stopped = pinned.hold_back().unwrap().iter().fold(pinned, Mint::evolve);
        assert_eq!(stopped.park_reason, Some(ParkReason::Operator));
        assert_eq!(stopped.hold_back(), Err(MintRefusal::NotWaiting));

        assert_eq!(after(&TO_BROADCAST[..4]).hold_back(), Err(MintRefusal::TooLate));
    }

    #[test]
    fn a_tombstone_is_taken_back_once() {
        let tombstoned = after(&TO_BROADCAST).evolve(&MintEvent::Tombstoned {});

        let restored = tombstoned.restore().iter().fold(tombstoned, Mint::evolve);

        assert_eq!(restored, after(&TO_BROADCAST));
        assert_eq!(restored.restore(), []);
    }

    #[test]
    fn another_transaction_under_the_same_nonce_is_recorded_and_the_same_one_is_not() {
        let signed = after(&TO_BROADCAST);

        assert_eq!(signed.sign("0xa", 1, 1, 9), []);
        assert_eq!(signed.sign("0xc", 1, 2, 11).len(), 1);
    }
}
