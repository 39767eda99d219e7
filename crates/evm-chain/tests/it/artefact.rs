//! The committed artefacts against their sources.

use std::process::Command;

/// Whether a program is on this machine.
fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_artefacts_are_what_the_sources_compile_to() {
    if !is_there("node") || !is_there("npm") {
        // Nothing to compile with; `cargo xtask test` installs it.
        return;
    }
    let contracts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/contracts");
    let scratch = tempfile::tempdir().unwrap();
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(format!("{contracts}/{file}"), scratch.path().join(file)).unwrap();
    }
    let installed = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));

    let compared = Command::new("node")
        .args(["compile.mjs", "--check"])
        .current_dir(contracts)
        .env("PEERLINK_NODE_MODULES", scratch.path().join("node_modules"))
        .output()
        .unwrap();

    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
}
