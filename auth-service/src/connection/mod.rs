//! Connections: two people who know each other here. One connects, it holds for both, either can end it.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
