//! Journeys, workloads and faults across all services, and the oracle that judges them.
//!
//! The tests of this crate and the launcher's `demo`, `soak` and `bench` are made of the same parts.

pub mod client;
pub mod decision;
pub mod faults;
pub mod journey;
pub mod latency;
pub mod oracle;
pub mod person;
pub mod seed;
pub mod token;
pub mod weight;
pub mod workload;

use std::process::ExitCode;

/// Becomes one service, configured by the environment; `None` if there is none of that name.
pub fn serve(name: &str) -> Option<ExitCode> {
    match name {
        "auth" => Some(auth_service::run()),
        "post" => Some(post_service::run()),
        "interaction" => Some(interaction_service::run()),
        "moderation" => Some(moderation_service::run()),
        "engagement" => Some(engagement_service::run()),
        "minting" => Some(minting_worker::run()),
        "gateway" => Some(gateway_service::run()),
        _ => None,
    }
}
