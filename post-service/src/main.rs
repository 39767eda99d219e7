//! The post service as a program of its own.

fn main() -> std::process::ExitCode {
    service_kit::program::main(&post_service::definition())
}
