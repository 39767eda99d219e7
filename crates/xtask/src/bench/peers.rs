//! Other libraries, installed below `target/` from the versions that `bench/` pins; one that cannot be installed is said so.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::ui;

const SEA: &str = "load balanced, batches of 100, acknowledged after handling, claims after 5 s instead of a minute";
const OMNI: &str = "reads of 128, acknowledged side by side, a deadline of 5 s instead of 45 s";
const FASTSTREAM: &str = "uvloop, hiredis, reads of 100, pipelined publishing, a second subscriber that claims after 5 s";
const TASKIQ: &str = "uvloop, hiredis, reads of 100, 64 tasks at once, claims after 5 s instead of ten minutes, a lock that times out";
const BULLMQ: &str =
    "a different data structure: lists and Lua; 64 jobs at once, added in bulk, stalled after 5 s";

/// The build directory.
pub(super) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Installs everybody; returns the file that says how each is started, or why it could not be installed.
pub(super) async fn prepare(root: &Path) -> Result<PathBuf> {
    let (bench, target) = (root.join("bench"), target(root));
    let tools = target.join("tools");
    std::fs::create_dir_all(&tools)?;
    let rust = rust(&bench, &target).await;
    let python = python(&bench, &tools).await;
    let node = node(&bench, &tools).await;

    let module = |name: &str| bench.join("peers-python").join(name);
    let entry =
        |name: &str, note: &str, events: u64, built: &Result<PathBuf>, rest: Vec<String>| {
            let mut entry =
                json!({ "name": name, "note": note, "events": events, "is_stream": true });
            match built {
                Ok(program) => {
                    let program = program.to_string_lossy().into_owned();
                    let command: Vec<String> = std::iter::once(program).chain(rest).collect();
                    set(&mut entry, "command", json!(command));
                }
                Err(error) => set(&mut entry, "error", json!(format!("{error:#}"))),
            }
            entry
        };
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut bullmq = entry(
        "BullMQ 6.7.0 (different data structure)",
        BULLMQ,
        20_000,
        &node,
        vec![text(bench.join("peers-node/peer-bullmq.js"))],
    );
    set(&mut bullmq, "is_stream", json!(false));
    let modules = text(tools.join("peers-node"));
    set(&mut bullmq, "environment", json!({ "PEERS_NODE_MODULES": modules }));
    let entries = vec![
        entry("sea-streamer-redis 1.0.0-rc.5", SEA, 50_000, &rust, vec!["sea-streamer".to_owned()]),
        entry("omniqueue 0.3.0", OMNI, 20_000, &rust, vec!["omniqueue".to_owned()]),
        entry(
            "FastStream 0.7.8",
            FASTSTREAM,
            5_000,
            &python,
            vec![text(module("peer_faststream.py"))],
        ),
        entry("taskiq-redis 1.2.4", TASKIQ, 5_000, &python, vec![text(module("peer_taskiq.py"))]),
        bullmq,
    ];
    let manifest = tools.join("peers.json");
    std::fs::write(&manifest, serde_json::to_string_pretty(&entries)?)?;
    Ok(manifest)
}

fn set(entry: &mut Value, name: &str, value: Value) {
    if let Some(entry) = entry.as_object_mut() {
        entry.insert(name.to_owned(), value);
    }
}

/// The program of the Rust peers, from a workspace and a lock file of their own.
async fn rust(bench: &Path, target: &Path) -> Result<PathBuf> {
    let directory = target.join("peers-rust");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--release", "--locked", "--target-dir"]).arg(&directory);
    run(build.current_dir(bench.join("peers-rust")), "the Rust peers").await?;
    Ok(directory.join("release/peers-rust"))
}

/// The interpreter that has the Python peers.
async fn python(bench: &Path, tools: &Path) -> Result<PathBuf> {
    let environment = tools.join("peers-python");
    let interpreter = environment.join("bin/python");
    if !interpreter.exists() {
        let mut make = Command::new("python3");
        run(make.args(["-m", "venv"]).arg(&environment), "a Python environment").await?;
    }
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    install.arg("--requirement").arg(bench.join("peers-python/requirements.txt"));
    run(&mut install, "the Python peers").await?;
    Ok(interpreter)
}

/// Node, after the packages of its peer were installed.
async fn node(bench: &Path, tools: &Path) -> Result<PathBuf> {
    let directory = tools.join("peers-node");
    std::fs::create_dir_all(&directory)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(bench.join("peers-node").join(file), directory.join(file))?;
    }
    let mut install = Command::new("npm");
    // Not `ci`, which refuses a lock file without the optional packages of every system there is.
    let what = ["install", "--ignore-scripts", "--omit=optional", "--no-save", "--no-audit"];
    install.args(what).args(["--no-fund", "--loglevel=error"]);
    run(install.current_dir(&directory), "the Node peer").await?;
    local_stack::binaries::on_path("node").context("node is not installed")
}

async fn run(command: &mut Command, what: &str) -> Result<()> {
    ui::note(format_args!("installing: {what}"));
    let output =
        command.output().await.with_context(|| format!("cannot start the install of {what}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.trim().lines().rev().take(3).collect();
    ensure!(output.status.success(), "{}", last.into_iter().rev().collect::<Vec<_>>().join("; "));
    Ok(())
}
