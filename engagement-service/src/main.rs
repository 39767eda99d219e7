//! The engagement service as a program of its own.

fn main() -> std::process::ExitCode {
    service_kit::program::main(&engagement_service::definition())
}
