//! The moderation service as a program of its own.

fn main() -> std::process::ExitCode {
    moderation_service::run()
}
