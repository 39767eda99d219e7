//! The interaction service as a program of its own.

fn main() -> std::process::ExitCode {
    service_kit::program::main(&interaction_service::definition())
}
