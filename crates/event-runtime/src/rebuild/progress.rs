//! How far a rebuild has come, for those who wait for it.

use serde::Serialize;

/// What a rebuild is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It fills the shadow tables; nobody waits for it.
    #[default]
    Replaying,
    /// It exchanges the tables; writers wait for it.
    Exchanging,
    /// The new tables are live.
    Done,
}

/// How far a rebuild has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Events applied so far.
    pub done: u64,
    /// Events that were there at the start; more may have come.
    pub total: u64,
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rebuilt {
    /// The projection.
    pub projection: String,
    /// How many events were applied.
    pub events: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long writers of these tables had to wait at the exchange, in seconds.
    pub writers_waited_seconds: f64,
    /// How often the exchange was tried, the last time included: it gives up while somebody holds the tables for too long.
    pub attempts: u32,
}
