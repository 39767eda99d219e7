//! The keys that sign access tokens: made at the first start, announced by event, published as a JWK set.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod start;
pub mod view;
