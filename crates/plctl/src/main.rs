//! `plctl`: the operator's tool.

fn main() -> std::process::ExitCode {
    plctl::main()
}
