//! Metadata is made, kept in enough places, and given up when it is not wanted any more.
//!
//! Mint events ask for it (`reactor`), jobs do it (`job`), a standing audit looks whether it is still so (`audit`), and everybody
//! can fetch it (`gateway`).

pub mod audit;
pub mod gateway;
pub mod job;
pub mod reactor;
mod together;
