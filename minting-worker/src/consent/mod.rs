//! What people let be minted: nothing unless they say so.

pub mod aggregate;
pub mod api;
pub mod projection;
pub mod view;
