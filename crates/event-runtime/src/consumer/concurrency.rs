//! How much of a partition is worked on at the same time.

/// How many events of one partition a handler may have in hand at once. Declared by the handler, since only it knows which
/// rows its events share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// One transaction at a time per group and process, over all its partitions: right for every handler.
    #[default]
    Serial,
    /// So many transactions at a time per partition, 1 to 64. Events of one aggregate stay in order; those of different
    /// aggregates run side by side, so a handler that writes rows shared between aggregates must expect deadlocks, which
    /// are retried, and must not depend on the order of different aggregates (it never may).
    Lanes(u16),
    /// So many readers per partition in every process of the service, 1 to 64, and no order at all, not even within an
    /// aggregate. For handlers whose effects commute, such as counters. Each event still takes effect once. A failing event
    /// is parked alone.
    Shared(u16),
}

/// More lanes than this would wait for database connections.
const MOST: u16 = 64;

impl Concurrency {
    /// How many transactions of one partition run at a time, between 1 and 64.
    pub(crate) fn lanes(self) -> u16 {
        match self {
            Self::Serial => 1,
            Self::Lanes(lanes) | Self::Shared(lanes) => lanes.clamp(1, MOST),
        }
    }
}
