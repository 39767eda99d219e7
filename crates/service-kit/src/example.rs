//! What the examples in the documents are made of: the same people, posts and times in all of them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The id of example thing `n`; the same number is the same thing in every document.
pub const fn id(n: u16) -> Uuid {
    // The time in it (UUIDv7) is that of `moment`.
    Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0000 | n as u128)
}

/// When the examples happen: 2026-01-01T00:00:00Z.
pub fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("a second of this century")
}
