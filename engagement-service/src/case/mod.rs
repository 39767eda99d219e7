//! What this service keeps of moderation cases: why they were decided.

pub mod projection;
