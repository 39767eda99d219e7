//! The auth service as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::program::main(&auth_service::definition())
}
