//! The stack around services that do not start: the parts that need no service.
//!
//! What runs on a whole stack is tested by the system tests.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use local_stack::process::ProcessId;
use local_stack::scratch_dir;
use local_stack::stack::{Stack, StackOptions};
use local_stack::state::{State, stop_recorded};

fn script(dir: &Path, text: &str) -> PathBuf {
    let file = dir.join("serve");
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[tokio::test]
async fn a_service_that_ends_early_stops_the_start_and_leaves_nothing_running() {
    let dir = scratch_dir().unwrap();
    let pids = dir.path().join("pids");
    let text = format!(
        "echo $$ >> {}\n[ $2 = minting ] || exec sleep 60\necho \"no chain for $2\"; exit 4",
        pids.display()
    );
    let serve = script(dir.path(), &text);
    let options = StackOptions::for_tests(dir.path().join("stack"), serve).unwrap();
    let ports = options.ports.clone();

    let error = Stack::start(options).await.err().unwrap();

    let text = format!("{error:#}");
    assert!(text.contains("minting-worker ended (exit status: 4)"), "{text}");
    assert!(text.contains("no chain for minting"), "{text}");
    ports.check().unwrap();
    for pid in std::fs::read_to_string(pids).unwrap().lines() {
        assert_eq!(ProcessId::of(pid.parse().unwrap()), None);
    }
}

#[tokio::test]
async fn the_record_is_private_and_its_secrets_outlive_a_run() {
    let dir = scratch_dir().unwrap();
    let serve = script(dir.path(), "exit 1");
    let options = StackOptions::for_tests(dir.path().join("stack"), serve).unwrap();

    let error = Stack::start(options.clone()).await.err().unwrap();
    assert!(error.to_string().contains("exit status: 1"), "{error:#}");
    let mode = std::fs::metadata(options.dir.join("state.json")).unwrap().permissions().mode();
    let first = State::load(&options.dir).unwrap().unwrap();
    let ran = stop_recorded(&options.dir).await.unwrap();
    assert!(Stack::start(options.clone()).await.is_err());
    let second = State::load(&options.dir).unwrap().unwrap();

    assert_eq!(mode & 0o777, 0o600);
    assert!(!ran, "a start that failed leaves nothing to stop");
    assert!(first.secrets == second.secrets);
}
