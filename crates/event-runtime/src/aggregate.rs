//! What decides: state rebuilt from events, and the version it was rebuilt at.

use serde::{Deserialize, Serialize};
use shared_schemas::Event;
use uuid::Uuid;

/// State rebuilt from the events of one id, against which commands are decided.
///
/// Commands are plain methods of the implementor that return the new events: no I/O, no clock, no randomness.
pub trait Aggregate: Default + Send + Sync + 'static {
    /// Its id.
    type Id: Into<Uuid> + Copy + Send + Sync;
    /// What can happen to it.
    type Event: Event;

    /// The state after one more event.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;
}

/// The number of events of an aggregate; the `ETag` of the resource behind it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub i64);

/// What a command expects of the aggregate it is decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any version: the command is right whatever happened before.
    Any,
    /// Nothing has happened yet.
    New,
    /// Exactly the version that the caller has seen.
    Exactly(Version),
}

impl Expected {
    pub(crate) fn holds_for(self, actual: Version) -> bool {
        match self {
            Self::Any => true,
            Self::New => actual == Version(0),
            Self::Exactly(version) => actual == version,
        }
    }
}
