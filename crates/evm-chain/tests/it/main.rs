//! The client, the signer and the contract on a real development chain.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod artefact;
mod contract;
mod nodes;
mod remote;
mod world;
