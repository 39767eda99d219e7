//! Accounts, as far as moderation cares: that they exist, and since when.

pub mod projection;
pub mod view;
