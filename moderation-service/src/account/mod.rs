//! Accounts, as far as screening cares: how long they have existed.

pub mod projection;
