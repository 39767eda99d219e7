//! The minting worker as a program of its own.

fn main() -> std::process::ExitCode {
    service_kit::program::main(&minting_worker::definition())
}
