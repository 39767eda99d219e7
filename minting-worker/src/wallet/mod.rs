//! Wallets: where a person's tokens go, proven by a signature.

pub mod address;
pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
