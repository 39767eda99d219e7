//! Slots: nonces of lanes with the transactions that were signed for them.

pub mod view;
