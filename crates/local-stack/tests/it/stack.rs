//! The stack around programs that are no services: starting, stopping, killing and restarting them.
//!
//! What services do on a stack is tested by the system tests.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use local_stack::ports::Ports;
use local_stack::process::ProcessId;
use local_stack::scratch_dir;
use local_stack::services::SERVICES;
use local_stack::stack::{Progress, Stack, StackOptions};
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

/// A stack whose programs only note that they were started, while this process answers for them.
async fn started(dir: &Path) -> Stack {
    let note = format!("{}/$2", dir.display());
    let text = format!("env | sort > {note}.env\necho $$ >> {note}.pids\nexec sleep 600");
    let mut options = StackOptions::for_tests(dir.join("stack"), script(dir, &text)).unwrap();
    let (ports, once) = (options.ports.clone(), Once::new());
    // Not before: a stack does not start on ports in use.
    options.progress = Arc::new(move |progress| {
        if progress == Progress::Starting("auth".to_owned()) {
            once.call_once(|| answer_ready(&ports));
        }
    });
    Stack::start(options).await.unwrap()
}

fn answer_ready(ports: &Ports) {
    for spec in &SERVICES {
        let listener = TcpListener::bind(("127.0.0.1", ports.service(spec.name))).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let _length = stream.read(&mut request).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
            }
        });
    }
}

/// The numbers of the processes that were started for a service, the latest last.
fn pids(dir: &Path, service: &str) -> Vec<i32> {
    let text = std::fs::read_to_string(dir.join(format!("{service}.pids"))).unwrap();
    text.lines().map(|pid| pid.parse().unwrap()).collect()
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it does not come to hold");
}

#[tokio::test]
async fn a_killed_service_comes_back_with_the_same_environment() {
    let dir = scratch_dir().unwrap();
    let stack = started(dir.path()).await;
    let environment = || std::fs::read_to_string(dir.path().join("post.env")).unwrap();
    eventually(async || dir.path().join("post.pids").exists()).await;
    let before = environment();

    stack.kill_service("post").await.unwrap();
    assert_eq!(ProcessId::of(pids(dir.path(), "post")[0]), None);
    stack.ensure_running().await.expect("what was killed on purpose is not missed");
    assert!(stack.kill_service("post").await.is_err(), "it does not run");
    stack.restart_service("post").await.unwrap();
    eventually(async || pids(dir.path(), "post").len() == 2).await;

    assert!(ProcessId::of(pids(dir.path(), "post")[1]).is_some());
    assert_eq!(environment(), before);
    assert!(before.contains("DATABASE_URL=postgres://post:"), "{before}");
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_service_that_ends_by_itself_is_missed() {
    let dir = scratch_dir().unwrap();
    let stack = started(dir.path()).await;
    eventually(async || dir.path().join("minting.pids").exists()).await;
    stack.ensure_running().await.unwrap();

    let pid = ProcessId::of(pids(dir.path(), "minting")[0]).unwrap();
    pid.signal(local_stack::process::Signal::SIGKILL).unwrap();

    eventually(async || stack.ensure_running().await.is_err()).await;
    let error = stack.ensure_running().await.unwrap_err().to_string();
    assert!(error.starts_with("minting-worker ended (signal: 9"), "{error}");
}

#[tokio::test]
async fn redis_and_postgres_can_be_killed_lost_and_restarted_under_the_services() {
    let dir = scratch_dir().unwrap();
    let stack = started(dir.path()).await;
    let redis = fred::types::config::Config::from_url(stack.redis_admin_url()).unwrap();
    let keys = async || -> u64 {
        use fred::prelude::*;
        let client = Builder::from_config(redis.clone()).build().unwrap();
        client.init().await.unwrap();
        client.dbsize().await.unwrap()
    };
    {
        use fred::prelude::*;
        let client = Builder::from_config(redis.clone()).build().unwrap();
        client.init().await.unwrap();
        client.set::<(), _, _>("key", "value", None, None, false).await.unwrap();
    }

    stack.kill_redis().await.unwrap();
    stack.ensure_running().await.expect("what was killed on purpose is not missed");
    stack.restart_redis().await.unwrap();
    assert_eq!(keys().await, 1);
    stack.lose_redis().await.unwrap();
    assert_eq!(keys().await, 0);
    stack.kill_postgres().await.unwrap();
    stack.ensure_running().await.expect("what was killed on purpose is not missed");
    stack.restart_postgres().await.unwrap();

    stack.ensure_running().await.unwrap();
    let state = State::load(stack.dir()).unwrap().unwrap();
    assert!(state.processes.values().all(ProcessId::runs), "the record knows the new processes");
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn a_stopped_stack_leaves_no_process_and_says_so() {
    let dir = scratch_dir().unwrap();
    let stack = started(dir.path()).await;
    stack.mark_ready().await.unwrap();
    let record = stack.dir().to_owned();
    let before = State::load(&record).unwrap().unwrap();
    assert!(before.ready && before.is_up());
    assert_eq!(before.processes.len(), SERVICES.len() + 2);

    stack.stop().await.unwrap();

    assert!(!before.processes.values().any(ProcessId::runs));
    let after = State::load(&record).unwrap().unwrap();
    assert!(!after.ready && !after.is_up());
    assert!(after.processes.is_empty());
}

#[tokio::test]
async fn two_stacks_do_not_share_a_directory() {
    let dir = scratch_dir().unwrap();
    let stack = started(dir.path()).await;

    let second = StackOptions::for_tests(stack.dir().to_owned(), dir.path().join("serve")).unwrap();
    let error = Stack::start(second).await.err().unwrap().to_string();

    assert!(error.starts_with("a stack already runs in "), "{error}");
    stack.ensure_running().await.expect("the first is not disturbed");
}
