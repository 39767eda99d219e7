//! Child processes, and processes of others.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use local_stack::process::{Launch, Process, ProcessId, Signal};
use local_stack::scratch_dir;

fn shell(dir: &Path, script: &str) -> Launch {
    Launch {
        name: "script".to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        environment: BTreeMap::from([("WORD".to_owned(), "given".to_owned())]),
        log: dir.join("log"),
        user: None,
        farewell: Signal::SIGKILL,
    }
}

async fn exit_of(process: &mut Process) -> anyhow::Error {
    for _ in 0..1000 {
        if let Err(error) = process.ensure_running() {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not end");
}

#[tokio::test]
async fn an_early_end_is_told_with_the_last_lines_of_this_run() {
    let dir = scratch_dir().unwrap();
    let launch = shell(dir.path(), "echo \"word $WORD\"; echo cause >&2; exit 3");
    std::fs::write(&launch.log, "line of an earlier run\n").unwrap();

    let mut process = Process::spawn(&launch).unwrap();
    let text = exit_of(&mut process).await.to_string();

    assert!(text.contains("script ended (exit status: 3)"), "{text}");
    assert!(text.ends_with("word given\n    cause"), "{text}");
    assert!(!text.contains("earlier"), "{text}");
}

#[tokio::test]
async fn only_the_given_environment_reaches_a_child() {
    let dir = scratch_dir().unwrap();

    let mut process = Process::spawn(&shell(dir.path(), "env; exit 1")).unwrap();
    let text = exit_of(&mut process).await.to_string();

    assert!(text.contains("WORD=given"), "{text}");
    assert!(!text.contains("CARGO"), "{text}");
}

#[tokio::test]
async fn a_process_that_ignores_a_request_to_end_is_killed() {
    let dir = scratch_dir().unwrap();
    let launch = shell(dir.path(), "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    let mut process = Process::spawn(&launch).unwrap();
    while !std::fs::read_to_string(&launch.log).unwrap().contains("ready") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    process.stop(Signal::SIGTERM, Duration::from_millis(50)).await.unwrap();

    assert!(process.exit_status().unwrap().is_some());
}

#[tokio::test]
async fn a_number_that_was_given_to_another_process_is_not_signalled() {
    let dir = scratch_dir().unwrap();
    let mut process = Process::spawn(&shell(dir.path(), "exec sleep 60")).unwrap();
    let id = process.id().unwrap().clone();
    let earlier = ProcessId { started: "1".to_owned(), ..id.clone() };

    assert!(!earlier.runs());
    earlier.signal(Signal::SIGKILL).unwrap();
    assert!(process.exit_status().unwrap().is_none());

    id.stop(Signal::SIGTERM, Duration::from_secs(5)).await.unwrap();
    assert!(process.exit_status().unwrap().is_some());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let dir = scratch_dir().unwrap();
    let launch = shell(dir.path(), "exec sleep 60");

    let mut process = std::thread::spawn(move || Process::spawn(&launch).unwrap()).join().unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    assert!(process.exit_status().unwrap().is_none());
}
