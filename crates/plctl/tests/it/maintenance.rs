//! What is asked of running processes.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::json;
use test_kit::eventually;

use crate::world::{GROUP, LIMIT, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_done_by_a_running_process_and_the_tool_waits_for_it() {
    let (world, _producer, _consumer) = World::with(&[1, 2]).await;
    world.execute("UPDATE engagement.tally SET total = 99").await;
    let rebuild = ["rebuild", GROUP, "--service", "engagement"];

    world.report(&[&rebuild[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = world.number("SELECT count(*) FROM engagement.maintenance_request").await;
    let done = world.report(&[&rebuild[..], &["--reason", "damaged"]].concat()).await;
    eventually(LIMIT, || async { world.total().await == 3 }).await;

    assert_eq!(after_rehearsal, 0);
    assert_eq!(done["state"], "done", "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_nothing_fails_and_says_what_there_is() {
    let (world, _producer, _consumer) = World::with(&[1]).await;

    let answer = world.plctl(&["rebuild", "no.such", "--service", "engagement"]).await;

    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stdout.contains(GROUP), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_takes_up_is_one_however_often_it_is_made() {
    let world = World::new().await;
    let ask = ["rebuild", "post", "--service", "post", "--no-wait"];

    let (first, second) = (world.report(&ask).await, world.report(&ask).await);
    let waited = world.plctl(&["rebuild", "post", "--service", "post", "--timeout", "0s"]).await;

    assert_eq!(first["state"], "waiting", "{first}");
    assert_eq!(first["id"], second["id"]);
    assert_eq!(world.actions().await, 1);
    assert!(waited.code == 1 && waited.stderr.contains("still waiting"), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_a_row_that_is_not_what_the_events_say() {
    let (world, _producer, _consumer) = World::with(&[1, 2]).await;
    let audit = ["audit", GROUP, "--service", "engagement", "--json"];

    let well = world.plctl(&audit).await;
    world.execute("UPDATE engagement.tally SET total = 99").await;
    let damaged = world.plctl(&audit).await;

    assert_eq!((well.code, &well.json()["result"]["differences"]), (0, &0.into()), "{well:?}");
    assert_eq!(
        (damaged.code, &damaged.json()["result"]["differences"]),
        (3, &1.into()),
        "{damaged:?}"
    );
    assert!(damaged.stdout.contains("00000000-0000-0000-0000-000000000001"), "{damaged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_called_off_changes_nothing_and_lets_the_next_one_begin() {
    let (world, _producer, _consumer) = World::with(&[1, 2]).await;
    world.execute("UPDATE engagement.tally SET total = 99").await;
    let db = world.database.connect("engagement").await.unwrap();
    let held = db.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE tally IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let rebuild = ["rebuild", GROUP, "--service", "engagement"];
    let asked = world.report(&[&rebuild[..], &["--no-wait"]].concat()).await;
    let id = asked["id"].to_string();
    let cancel = ["requests", "cancel", &id, "--service", "engagement"];
    let state = async || {
        let listed = world.report(&["requests", "ls", "--service", "engagement"]).await;
        listed[0]["state"].as_str().unwrap().to_owned()
    };
    eventually(LIMIT, || async { state().await == "running" }).await;

    let rehearsal = world.report(&[&cancel[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = state().await;
    let cancelled = world.report(&[&cancel[..], &["--reason", "not now"]].concat()).await;
    let again = world.report(&cancel).await;
    assert_eq!(state().await, "cancelled");
    // Its process has put it away when it takes up another one.
    let audit = ["audit", "no.such", "--service", "engagement"];
    assert_eq!(world.plctl(&audit).await.code, 1);
    held.rollback().await.unwrap();

    assert_eq!(
        (&rehearsal["changed"], after_rehearsal.as_str()),
        (&json!([asked["id"]]), "running")
    );
    assert_eq!((&cancelled["changed"], &again["changed"]), (&json!([asked["id"]]), &json!([])));
    assert_eq!(world.total().await, 99);
    world.report(&rebuild).await;
    assert_eq!(world.total().await, 3);
    world
        .plctl(&["requests", "cancel", "99", "--service", "engagement"])
        .await
        .is_refusal(&["not there", "requests ls"]);
    let actions = world.report(&["actions", "--service", "engagement"]).await;
    let cancels = |row: &&serde_json::Value| row["command"] == "cancel";
    assert_eq!(actions.as_array().unwrap().iter().filter(cancels).count(), 1, "{actions}");
}
