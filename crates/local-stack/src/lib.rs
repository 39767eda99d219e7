//! Private PostgreSQL, Redis, mail sink and services for development and tests.
//!
//! Everything listens on loopback, keeps its files in one directory and dies with the program that
//! started it. The launcher, the tests of single crates and the system tests all start the same
//! [`stack::Stack`], or only the part of it they need, so that what people run and what is tested cannot differ.

pub mod acl;
pub mod binaries;
pub mod chain;
pub mod contract;
pub mod environment;
pub mod foundry;
pub mod install;
pub mod mail_sink;
pub mod ports;
pub mod postgres;
pub mod process;
mod provision;
pub mod redis;
pub mod secrets;
pub mod services;
pub mod stack;
pub mod state;
mod wait;

use std::os::unix::fs::PermissionsExt as _;

pub use provision::provision_sql;

/// A temporary directory that others may enter, as PostgreSQL's user must when we are root.
///
/// # Errors
///
/// When it cannot be made.
pub fn scratch_dir() -> std::io::Result<tempfile::TempDir> {
    let permissions = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("peerlink-").permissions(permissions).tempdir()
}
