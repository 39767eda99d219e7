//! What moderation holds against people: strikes, and sanctions.
//!
//! A strike is added for every removal that was carried out, and goes when it expires or the removal is taken back. A sanction is
//! imposed by a person or follows from strikes ([`ladder`]), with a statement of reasons, and ends by itself: [`due`] ends it. What the person may do meanwhile is an
//! event that auth-service puts into force: `standing.restricted`.

pub mod aggregate;
pub mod api;
pub mod body;
pub mod due;
pub mod ladder;
pub mod projection;
pub mod reactor;
pub mod review;
pub mod view;
