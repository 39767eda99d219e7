//! Exports that are killed, and exports whose disk is full.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use event_archive::{ArchiveError, Format, MANIFEST, Options, verify};
use shared_schemas::Service;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    export::{lines, run},
    world::{LIMIT, Producer, World},
};

/// A process that exports the posts into `directory`; `limit` is the most bytes that a file may have.
async fn worker(
    world: &World,
    directory: &Path,
    format: &str,
    per_second: u32,
    limit: Option<u32>,
) -> Child {
    let database = world.database.schema("post").await.unwrap();
    // A file beyond the limit is refused like one on a full disk, once the signal is ignored.
    let limited = limit
        .map_or_else(String::new, |bytes| format!("trap '' XFSZ; ulimit -f {}; ", bytes / 512));
    Command::new("sh")
        .args(["-c", &format!("{limited}exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_archive-worker"))
        .args([&*database, "post"])
        .arg(directory)
        .args([format, &per_second.to_string(), "5"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Every file whose name a reader would take.
fn visible(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.path().is_dir() {
            found.extend(visible(&entry.path()));
        } else if !is_hidden {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// What is there is whole, as far as it goes: every line ends and parses.
fn assert_no_file_is_partial(files: &[PathBuf]) {
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.ends_with('\n'), "{}", file.display());
        for line in text.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{}", file.display());
        }
    }
}

async fn assert_finished(world: &World, posts: &Producer, directory: &Path, count: u64) {
    let options = Options { stretch_events: 5, ..Options::all(Format::Jsonl) };
    let exported = run(world, &[posts], directory, &options).await.unwrap();
    assert_eq!(exported.manifest.count, count);
    assert_eq!(lines(directory, &exported.manifest).len() as u64, count);
    let found = verify(directory).unwrap();
    assert!(found.is_whole(), "{:?}", found.findings);
    let leftovers = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".partial") || name.contains("journal"));
    assert_eq!(leftovers.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_export_leaves_no_partial_file_and_is_continued() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(60, 100).await;
    let directory = tempfile::tempdir().unwrap();

    let mut files = Vec::new();
    for _ in 0..3 {
        let mut worker = worker(&world, directory.path(), "jsonl", 40, None).await;
        let mut says = BufReader::new(worker.stdout.take().unwrap()).lines();
        let said = tokio::time::timeout(LIMIT, says.next_line()).await;
        assert_eq!(said.unwrap().unwrap().as_deref(), Some("stretch"));
        worker.kill().await.unwrap();

        let found = visible(directory.path());
        assert!(found.len() >= files.len() && !found.is_empty());
        assert!(!directory.path().join(MANIFEST).exists());
        assert_no_file_is_partial(&found);
        files = found;
    }
    let modified = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let first = modified(&files[0]);
    // Published after the export began: they are for the next one.
    posts.posts(5, 100).await;

    assert_finished(&world, &posts, directory.path(), 60).await;

    assert_eq!(modified(&files[0]), first, "what was finished is not made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_onto_a_full_disk_leaves_no_partial_file_and_is_continued() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(20, 100).await;
    posts.posts(20, 8_000).await;
    let directory = tempfile::tempdir().unwrap();

    for _ in 0..2 {
        let worker = worker(&world, directory.path(), "jsonl", 0, Some(16 * 1024)).await;
        let output = tokio::time::timeout(LIMIT, worker.wait_with_output()).await.unwrap().unwrap();

        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("File too large"), "{error}");
        let files = visible(directory.path());
        assert!(!files.is_empty(), "the small ones fit");
        assert!(!directory.path().join(MANIFEST).exists());
        assert_no_file_is_partial(&files);
    }

    assert_finished(&world, &posts, directory.path(), 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exports_do_not_share_a_directory() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(60, 10).await;
    let directory = tempfile::tempdir().unwrap();
    let mut first = worker(&world, directory.path(), "jsonl", 5, None).await;
    let mut says = BufReader::new(first.stdout.take().unwrap()).lines();
    says.next_line().await.unwrap();

    let refused = run(&world, &[&posts], directory.path(), &Options::all(Format::Jsonl)).await;
    assert!(matches!(refused, Err(ArchiveError::Busy(_))), "{refused:?}");

    first.kill().await.unwrap();
    let refused = run(&world, &[&posts], directory.path(), &Options::all(Format::Parquet)).await;
    assert!(matches!(refused, Err(ArchiveError::Occupied { .. })), "{refused:?}");
    assert_finished(&world, &posts, directory.path(), 60).await;
}
