//! The moderation service as a program of its own.

fn main() -> std::process::ExitCode {
    service_kit::program::main(&moderation_service::definition())
}
