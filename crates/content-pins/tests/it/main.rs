//! Places keep what they are given, and those that lie are found out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod node;
mod places;
