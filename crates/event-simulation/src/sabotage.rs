//! Runtimes that are broken on purpose, to show that the oracles see it.

/// One way to get it wrong, each of them taken from a runtime that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The relay appends wherever the stream ends.
    AppendAnywhere,
    /// The relay continues a stream without comparing it with the store.
    TrustTheCursor,
    /// Events get their public place when they are inserted: by position, not after the commit.
    NumberBeforeCommit,
    /// Entries are acknowledged when they are read.
    AcknowledgeBeforeCommit,
    /// The watermark moves in a transaction of its own, before the effects.
    WatermarkFirst,
    /// The watermark moves in a transaction of its own, after the effects.
    WatermarkLast,
    /// Nobody asks whose epoch it is.
    NoFence,
    /// Entries behind a hole are applied as if there were none.
    IgnoreGaps,
    /// A group that was lost is made again at the end of the stream, and nobody looks at what it did not get.
    GroupAtTheEnd,
    /// The stream is trimmed up to the last entry that was handed out.
    TrimAtLastDelivered,
    /// Only the groups that Redis knows have to have read what is trimmed.
    TrimWithoutRegistry,
    /// A rejected event is set aside alone: the later ones of its aggregate are applied.
    ParkOnlyThePoison,
    /// Everything pending is acknowledged when an owner starts.
    AcknowledgeAllPending,
    /// An owner that is given nothing believes that there is nothing.
    TrustSilence,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::AppendAnywhere,
        Self::TrustTheCursor,
        Self::NumberBeforeCommit,
        Self::AcknowledgeBeforeCommit,
        Self::WatermarkFirst,
        Self::WatermarkLast,
        Self::NoFence,
        Self::IgnoreGaps,
        Self::GroupAtTheEnd,
        Self::TrimAtLastDelivered,
        Self::TrimWithoutRegistry,
        Self::ParkOnlyThePoison,
        Self::AcknowledgeAllPending,
        Self::TrustSilence,
    ];
}
