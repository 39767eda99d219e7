//! The operator's tool as a process of its own, for tests.

fn main() -> std::process::ExitCode {
    plctl::main()
}
