//! Mail to people: what it says, and the job that sends it.

pub mod message;
pub mod worker;

pub use message::{Letter, Mail};
pub use worker::SendMail;
