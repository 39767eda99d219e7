//! Provenance: does a token still say what its content says? For anybody, with the evidence, so that nobody needs to believe it.

pub mod api;
mod gather;
pub mod verdict;
mod view;
