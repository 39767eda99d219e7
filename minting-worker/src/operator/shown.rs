//! What operators are shown.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use service_kit::example;
use shared_schemas::{
    MintId, PostId, UserId, lane::PauseReason, mint::ParkReason, moderation::Subject,
};

use crate::mint::api::ShownSubject;

/// Everything that is known of one mint.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "MintDetails")]
pub struct ShownDetails {
    /// Its id.
    pub id: MintId,
    /// What is minted.
    pub subject: ShownSubject,
    /// Whose token it will be.
    pub author_id: UserId,
    /// How far it is: `REQUESTED`, `PINNED`, `PLANNED`, `SIGNED`, `BROADCAST`, `MINED`, `FINAL`, `PARKED` or `WITHDRAWN`.
    pub stage: String,
    /// The metadata's CID.
    #[oai(skip_serializing_if_is_none)]
    pub cid: Option<String>,
    /// What the metadata hashes to.
    #[oai(skip_serializing_if_is_none)]
    pub digest: Option<String>,
    /// The address that gets the token.
    #[oai(skip_serializing_if_is_none)]
    pub owner: Option<String>,
    /// The signer's address.
    #[oai(skip_serializing_if_is_none)]
    pub lane: Option<String>,
    /// The token: `0x` and 64 digits.
    #[oai(skip_serializing_if_is_none)]
    pub token_id: Option<String>,
    /// The newest transaction that mints it, or the one that did.
    #[oai(skip_serializing_if_is_none)]
    pub transaction: Option<String>,
    /// The height of the block with it.
    #[oai(skip_serializing_if_is_none)]
    pub block: Option<i64>,
    /// Why it was given up.
    #[oai(skip_serializing_if_is_none)]
    pub park_reason: Option<ParkReason>,
    /// What the chain answered, decoded.
    #[oai(skip_serializing_if_is_none)]
    pub park_detail: Option<String>,
    /// What to do about it.
    #[oai(skip_serializing_if_is_none)]
    pub next_step: Option<String>,
    /// Its content went away when it was too late to stop it.
    pub tombstoned: bool,
    /// When it was first requested.
    pub requested_at: DateTime<Utc>,
    /// When its state changed last.
    pub updated_at: DateTime<Utc>,
    /// Everything that happened to it, the oldest first; empty in a list.
    pub history: Vec<ShownFact>,
}

impl Example for ShownDetails {
    fn example() -> Self {
        let subject = Subject::Post(PostId(example::id(3)));
        let at = example::moment();
        Self {
            id: MintId::of(subject),
            subject: subject.into(),
            author_id: UserId(example::id(1)),
            stage: "REQUESTED".to_owned(),
            cid: None,
            digest: None,
            owner: None,
            lane: None,
            token_id: None,
            transaction: None,
            block: None,
            park_reason: None,
            park_detail: None,
            next_step: None,
            tombstoned: false,
            requested_at: at,
            updated_at: at,
            history: vec![],
        }
    }
}

/// One thing that happened to a mint.
#[derive(Clone, Debug, Object)]
#[oai(rename = "MintFact")]
pub struct ShownFact {
    /// The event's name, such as `mint.signed.v1`.
    pub kind: String,
    /// What it says, as JSON.
    pub data: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who asked for it, if somebody did.
    #[oai(skip_serializing_if_is_none)]
    pub actor: Option<UserId>,
}

/// All lanes, and the chain.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Lanes")]
pub struct ShownLanes {
    /// Whether anything is minted here. Off without `CHAIN_RPC_URLS`; mints wait.
    pub minting: bool,
    /// The chain.
    #[oai(skip_serializing_if_is_none)]
    pub chain_id: Option<u64>,
    /// The contract's address.
    #[oai(skip_serializing_if_is_none)]
    pub contract: Option<String>,
    /// What the next block asks for a unit of gas, in wei.
    #[oai(skip_serializing_if_is_none)]
    pub base_fee: Option<u64>,
    /// Mints that wait for a lane.
    pub waiting: i64,
    /// Mints that were given up.
    pub parked: i64,
    /// The nodes.
    pub nodes: Vec<ShownNode>,
    /// The lanes.
    pub lanes: Vec<ShownLane>,
}

impl Example for ShownLanes {
    fn example() -> Self {
        Self {
            minting: true,
            chain_id: Some(31337),
            contract: Some("0x5FbDB2315678afecb367f032d93F642f64180aa3".to_owned()),
            base_fee: Some(1_000_000_000),
            waiting: 0,
            parked: 0,
            nodes: vec![ShownNode {
                name: "127.0.0.1:8545".to_owned(),
                is_well: true,
                complaint: None,
            }],
            lanes: vec![ShownLane::example()],
        }
    }
}

/// A node.
#[derive(Clone, Debug, Object)]
#[oai(rename = "ChainNode")]
pub struct ShownNode {
    /// Host and port.
    pub name: String,
    /// It answers, and is of the right chain.
    pub is_well: bool,
    /// What is wrong with it.
    #[oai(skip_serializing_if_is_none)]
    pub complaint: Option<String>,
}

/// A lane.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Lane")]
pub struct ShownLane {
    /// The signer's address.
    pub address: String,
    /// Why it is paused, if it is.
    #[oai(skip_serializing_if_is_none)]
    pub paused: Option<PauseReason>,
    /// Why it signs nothing at the moment although it is not paused.
    #[oai(skip_serializing_if_is_none)]
    pub hold: Option<String>,
    /// What to do about that.
    #[oai(skip_serializing_if_is_none)]
    pub next_step: Option<String>,
    /// A process works on it.
    pub is_live: bool,
    /// Transactions that are not final.
    pub in_flight: i64,
    /// It waits while a unit of gas costs more, in wei.
    #[oai(skip_serializing_if_is_none)]
    pub hold_above: Option<i64>,
    /// What it may spend in 24 hours, in millionths of the chain's coin.
    #[oai(skip_serializing_if_is_none)]
    pub daily_budget: Option<i64>,
    /// What it has spent, or may still spend for what is signed, in the last 24 hours.
    pub spent_today: i64,
    /// What it has, in wei; missing if no node answers.
    #[oai(skip_serializing_if_is_none)]
    pub balance: Option<String>,
    /// How long that lasts if the next days are like the last; missing if it spent nothing.
    #[oai(skip_serializing_if_is_none)]
    pub runs_dry_in_hours: Option<i64>,
}

impl Example for ShownLane {
    fn example() -> Self {
        Self {
            address: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned(),
            paused: None,
            hold: None,
            next_step: None,
            is_live: true,
            in_flight: 2,
            hold_above: Some(30_000_000_000),
            daily_budget: Some(500_000),
            spent_today: 1200,
            balance: Some("999000000000000000".to_owned()),
            runs_dry_in_hours: Some(19_980),
        }
    }
}

/// What a lane may spend.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "LaneLimits")]
pub struct GivenLimits {
    /// It waits while a unit of gas costs more, in wei; without it, up to the configured cap.
    #[oai(validator(minimum(value = "0"), maximum(value = "9000000000000000000")))]
    pub hold_above: Option<u64>,
    /// What it may spend in 24 hours, in millionths of the chain's coin; without it, all it has.
    #[oai(validator(minimum(value = "0"), maximum(value = "9000000000000000000")))]
    pub daily_budget: Option<u64>,
}

impl Example for GivenLimits {
    fn example() -> Self {
        Self { hold_above: Some(30_000_000_000), daily_budget: Some(500_000) }
    }
}

/// What minting would cost now.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "MintEstimate")]
pub struct ShownEstimate {
    /// Tokens in the batch.
    pub mints: u16,
    /// The most gas that it may use.
    pub gas: u64,
    /// What the next block asks for a unit, in wei.
    pub base_fee: u64,
    /// What would be offered for a unit at most, in wei.
    pub max_fee: u64,
    /// What it will cost at today's price, in wei.
    pub likely_cost: String,
    /// What it may cost at most, in wei.
    pub highest_cost: String,
    /// What the contract says to the mints that wait, asked without paying: missing if it would take them, or none wait.
    #[oai(skip_serializing_if_is_none)]
    pub refusal: Option<String>,
}

impl Example for ShownEstimate {
    fn example() -> Self {
        Self {
            mints: 50,
            gas: 3_060_000,
            base_fee: 1_000_000_000,
            max_fee: 2_001_000_000,
            likely_cost: "3063060000000000".to_owned(),
            highest_cost: "6123060000000000".to_owned(),
            refusal: None,
        }
    }
}

/// The chain against what is recorded, both ways.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "MintVerification")]
pub struct ShownVerification {
    /// The first block that was read.
    pub from_block: u64,
    /// The last block that was read.
    pub to_block: u64,
    /// Tokens that the contract has minted there.
    pub tokens: u64,
    /// Mints that are recorded.
    pub mints: u64,
    /// Tokens of no recorded mint: up to 100 ids.
    pub unknown_tokens: Vec<String>,
    /// Mints that are recorded as minted, and are not: up to 100.
    pub missing: Vec<MintId>,
    /// Mints that are minted, and not recorded so: up to 100. A rebuild records them.
    pub unrecorded: Vec<MintId>,
    /// Mints whose token has another digest: up to 100.
    pub different: Vec<MintId>,
    /// How many of them a rebuild has recorded.
    pub repaired: u64,
}

impl Example for ShownVerification {
    fn example() -> Self {
        Self {
            from_block: 0,
            to_block: 1200,
            tokens: 40,
            mints: 41,
            unknown_tokens: Vec::new(),
            missing: Vec::new(),
            unrecorded: vec![MintId::of(Subject::Post(PostId(example::id(3))))],
            different: Vec::new(),
            repaired: 0,
        }
    }
}
