//! The analyser with its built-in model.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod explanation;
mod robustness;
mod scores;
