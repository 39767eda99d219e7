//! What operators should know before people notice: kept as rows, shown to them, counted, and told to an address of theirs.
//!
//! An alert is told once when it begins and once when it ends, by a durable job whose id stays the same with every attempt.

pub mod config;
pub mod tell;
pub mod view;
pub mod watch;

use shared_schemas::MintId;
use uuid::Uuid;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A lane has little of the chain's coin.
    BalanceLow,
    /// A lane's coins will soon be spent at today's rate.
    RunsDry,
    /// Something of a lane has waited for too long.
    LaneStuck,
    /// Mints were given up and wait for somebody.
    Parked,
    /// Blocks with mints went away.
    Reorg,
    /// Somebody else signs with a lane's key.
    ForeignNonce,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::BalanceLow,
        Self::RunsDry,
        Self::LaneStuck,
        Self::Parked,
        Self::Reorg,
        Self::ForeignNonce,
    ];

    /// Its name in tables, messages and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BalanceLow => "BALANCE_LOW",
            Self::RunsDry => "RUNS_DRY",
            Self::LaneStuck => "LANE_STUCK",
            Self::Parked => "PARKED",
            Self::Reorg => "REORG",
            Self::ForeignNonce => "FOREIGN_NONCE",
        }
    }
}

/// The id of a new alert.
fn new_id(now: chrono::DateTime<chrono::Utc>) -> Uuid {
    MintId::new(now).into()
}
