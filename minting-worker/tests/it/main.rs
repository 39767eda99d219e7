//! The minting worker over HTTP, on a real PostgreSQL and a real Redis.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod alert;
mod chain;
mod checks;
mod consent;
mod drill;
mod lane;
mod metadata;
mod mint;
mod operator;
mod provenance;
mod support;
mod wallet;
