//! What only its owner may know of an account: address, password, names, and codes that prove who reads the mail.
//!
//! All of it is recorded in events that never leave this service, and personal facts in them are encrypted under a key that
//! is deleted with the account.
//!
//! Signing up and asking for a new password answer before anybody has looked whether the address is known: the request is
//! written down as a job, and what the job finds out is told by mail. So neither the answer nor its time tells who has an
//! account.

pub mod aggregate;
pub mod api;
pub mod choose_password;
pub mod code;
pub mod email;
pub mod event;
pub mod password;
pub mod projection;
pub mod register;
pub mod request_reset;
mod sealed_job;
pub mod verify;
pub mod view;
