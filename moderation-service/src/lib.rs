//! The moderation service.

pub mod screening;

/// Runs the service until it is told to stop; the configuration comes from the environment.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
