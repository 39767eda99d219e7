//! What is asked of running processes.

use crate::world::{GROUP, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_done_by_a_running_process_and_the_tool_waits_for_it() {
    let (world, _producer, _consumer) = World::with(&[1, 2]).await;
    world.execute("UPDATE engagement.tally SET total = 99").await;
    let rebuild = ["rebuild", GROUP, "--service", "engagement"];

    world.report(&[&rebuild[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = world.number("SELECT count(*) FROM engagement.maintenance_request").await;
    let done = world.report(&[&rebuild[..], &["--reason", "damaged"]].concat()).await;
    test_kit::eventually(crate::world::LIMIT, || async { world.total().await == 3 }).await;

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
