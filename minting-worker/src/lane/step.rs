//! The steps of a lane by name, so that a drill can end the process between any two of them.

use std::sync::Arc;

/// Where a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A batch is signed, and nothing of it is kept.
    Signed,
    /// The batch is kept, and nobody has it.
    Kept,
    /// The batch was given to nodes.
    Sent,
    /// It was noted that a node has it.
    Noted,
    /// It was noted that it is in a block.
    Mined,
    /// It was noted that its block is gone.
    Reorged,
    /// It was noted that it is final.
    Final,
    /// A transaction of a higher fee was kept, and nobody has it.
    Bumped,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 8] = [
        Self::Signed,
        Self::Kept,
        Self::Sent,
        Self::Noted,
        Self::Mined,
        Self::Reorged,
        Self::Final,
        Self::Bumped,
    ];

    /// Its name on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Kept => "kept",
            Self::Sent => "sent",
            Self::Noted => "noted",
            Self::Mined => "mined",
            Self::Reorged => "reorged",
            Self::Final => "final",
            Self::Bumped => "bumped",
        }
    }
}

/// Who is told of every step.
pub type Watch = Arc<dyn Fn(Step) + Send + Sync>;

/// Nobody.
pub fn unwatched() -> Watch {
    Arc::new(|_| ())
}
