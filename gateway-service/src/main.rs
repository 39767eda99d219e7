//! The gateway as a program of its own.

fn main() -> std::process::ExitCode {
    gateway_service::main()
}
