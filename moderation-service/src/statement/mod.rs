//! What people are told about decisions against them, and how they appeal: a statement of reasons for each.
//!
//! It names what was removed, why, by which rules and at which places of the text, and whether a person decided. It never names
//! the moderator, reporters, or weights: whoever knows those writes around them.

pub mod api;
pub mod body;
pub mod view;
