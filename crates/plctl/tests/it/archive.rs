//! Events outside of the system: files and replays.

use fred::types::Value;
use test_kit::eventually;

use crate::world::{LIMIT, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_and_a_damaged_one_is_found() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive");
    let export = ["export", path.to_str().unwrap(), "--service", "post", "--verify"];

    let rehearsal = world.report(&[&export[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = path.exists();
    let exported = world.plctl(&[&export[..], &["--json"]].concat()).await;
    let files = exported.json()["manifest"]["files"].as_array().unwrap().len();
    let data =
        walk(&path).into_iter().find(|file| file.extension().is_some_and(|end| end == "jsonl"));
    std::fs::write(data.unwrap(), "").unwrap();
    let damaged = world.plctl(&export).await;

    assert_eq!((&rehearsal["published"], after_rehearsal), (&serde_json::json!(3), false));
    assert_eq!(exported.code, 0, "{exported:?}");
    assert_eq!((&exported.json()["manifest"]["count"], files), (&serde_json::json!(3), 1));
    assert_eq!(damaged.code, 3, "{damaged:?}");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_writes_lines_or_streams_of_its_own_and_touches_no_group() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;
    let key = "replay:{post.p0}:again";
    let run = ["replay", "run", "--into", "again"];

    let lines = world.plctl(&["replay", "run", "--type", "counter.*"]).await;
    let rehearsal = world.report(&[&run[..], &["--dry-run"]].concat()).await;
    let nothing: u64 = world.redis.command(&["EXISTS", key]).await.unwrap();
    let replayed = world.report(&run).await;
    let entries: Vec<Value> = world.redis.command(&["XRANGE", key, "-", "+"]).await.unwrap();
    let status = world.report(&["replay", "status"]).await;
    let cancelled = world.report(&["replay", "cancel", "again"]).await;
    let gone: u64 = world.redis.command(&["EXISTS", key]).await.unwrap();

    assert_eq!(lines.stdout.lines().count(), 3, "{lines:?}");
    assert_eq!((&rehearsal["events"], nothing), (&serde_json::json!(0), 0));
    assert_eq!((&replayed["events"], entries.len()), (&serde_json::json!(3), 3));
    assert_eq!((&status[0]["key"], &status[0]["is_running"]), (&key.into(), &false.into()));
    assert_eq!((&cancelled["changed"][0], gone), (&key.into(), 0));
    assert_eq!(world.total().await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_replay_ends_when_it_is_cancelled() {
    let (world, _producer, _consumer) = World::with(&[1]).await;
    let run = ["replay", "run", "--into", "live", "--follow", "--json"];
    let running = async || {
        let status = world.report(&["replay", "status", "live"]).await;
        status.pointer("/0/is_running") == Some(&true.into())
    };

    let (ended, ()) = tokio::join!(world.plctl(&run), async {
        eventually(LIMIT, running).await;
        world.plctl(&["replay", "run", "--into", "live"]).await.is_refusal(&["replay cancel live"]);
        world.report(&["replay", "cancel", "live"]).await;
        world.add(1, 2).await;
    });

    assert_eq!((ended.code, &ended.json()["is_cancelled"]), (0, &true.into()), "{ended:?}");
}
