//! Lanes: each signer puts mints on the chain, one transaction after the other.
//!
//! A nonce of a lane exists only together with a signed transaction, in one row that is committed before anybody sends it. There is
//! no counter that could drift: what to do next always follows from comparing the rows with the chain. What a node says to a
//! transaction decides nothing.

pub mod aggregate;
pub mod api;
pub mod context;
mod find;
pub mod limits;
mod observe;
pub mod projection;
mod resend;
mod settle;
mod sign;
pub mod step;
pub mod view;
pub mod worker;
