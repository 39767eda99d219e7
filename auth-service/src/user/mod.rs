//! An account as everybody may know it: whether it may act, what it may do, what its owner cares about.
//!
//! An account begins unverified, becomes active when its owner proves to own the address, and ends with its deletion.
//! Address, names and password are in [`credential`](crate::credential).

pub mod aggregate;
pub mod api;
pub mod delete;
pub mod projection;
pub mod restrict;
pub mod view;
