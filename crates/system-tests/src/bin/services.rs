//! Any service as a process of its own: `services serve <name>`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [command, name] if command == "serve" => {
            system_tests::serve(name).unwrap_or(ExitCode::from(64))
        }
        _ => ExitCode::from(64),
    }
}
