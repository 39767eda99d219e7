//! The contract as it was ever written: every golden file decodes for ever, and nothing decodes by accident.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod category;
mod decoding;
mod golden;
mod manifest;
