//! Parked events: found, tried again, given up.

use serde_json::json;
use test_kit::eventually;

use crate::world::{GROUP, LIMIT, POISON, World};

#[tokio::test(flavor = "multi_thread")]
async fn parked_events_are_found_by_what_they_are_and_shown_in_full() {
    let (world, _producer, _consumer) = World::with(&[1, POISON, 2]).await;

    let all = world.report(&["parked", "ls"]).await;
    let by_error = world.report(&["parked", "ls", "--error", "amount 13"]).await;
    let by_nothing = world.report(&["parked", "ls", "--error", "no such text"]).await;
    let shown = world.plctl(&["parked", "show", GROUP, "2"]).await.json();
    let exported = world.plctl(&["parked", "export"]).await;

    let reasons: Vec<&str> =
        all.as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["refused", "behind"], "{all}");
    assert_eq!((by_error.as_array().unwrap().len(), by_nothing), (1, json!([])));
    assert_eq!(shown[0]["entry"]["t"], "counter.added.v1", "{shown}");
    assert_eq!(exported.stdout.lines().count(), 2, "{exported:?}");
    world.plctl(&["parked", "show", GROUP, "9"]).await.is_refusal(&["parked ls"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_is_asked_for_the_first_of_an_aggregate_and_the_owner_does_the_rest() {
    let (world, _producer, _consumer) = World::with(&[1, POISON, 2]).await;
    let redrive = ["parked", "redrive", "--all"];
    assert_eq!(world.plctl(&["parked", "redrive"]).await.code, 2);

    let rehearsal = world.report(&[&redrive[..], &["--dry-run"]].concat()).await;
    let again = world.plctl(&[&redrive[..], &["--json"]].concat()).await;
    world.execute("INSERT INTO engagement.repaired DEFAULT VALUES").await;
    let mended = world.report(&[&redrive[..], &["--reason", "repaired"]].concat()).await;

    assert_eq!(rehearsal["aggregates"].as_array().unwrap().len(), 1, "{rehearsal}");
    assert_eq!(rehearsal["aggregates"][0]["sequence"], 2, "{rehearsal}");
    assert_eq!((again.code, &again.json()["failed_again"]), (3, &json!(1)), "{again:?}");
    assert_eq!(mended["applied"], 1, "{mended}");
    eventually(LIMIT, || async {
        world.number("SELECT count(*) FROM engagement.parked_event").await == 0
    })
    .await;
    assert_eq!(world.total().await, 1 + POISON + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_event_is_kept_with_its_reason_and_what_waited_behind_it_goes_on() {
    let (world, _producer, _consumer) = World::with(&[1, POISON, 2]).await;
    let skip = |sequence: &'static str| {
        ["parked", "skip", GROUP, sequence, "--of", "post", "--partition", "0"]
    };

    world.plctl(&skip("3")).await.is_refusal(&["behind 2", "redrive or skip 2 first"]);
    world.plctl(&skip("2")).await.is_refusal(&["--reason"]);
    world.report(&[&skip("2")[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = world.number("SELECT count(*) FROM engagement.parked_event").await;
    let skipped = world.report(&[&skip("2")[..], &["--reason", "never valid"]].concat()).await;
    let again = world.report(&[&skip("2")[..], &["--reason", "never valid"]].concat()).await;
    eventually(LIMIT, || async { world.total().await == 1 + 2 }).await;

    assert_eq!(after_rehearsal, 2);
    assert_eq!(skipped["changed"][0]["sequence"], 2, "{skipped}");
    assert_eq!(again["changed"], json!([]));
    let actions = world.report(&["actions", "--service", "engagement"]).await;
    assert_eq!(actions[0]["reason"], "never valid", "{actions}");
    assert!(actions[0]["arguments"]["entry"].as_str().unwrap().contains("13"), "{actions}");
    // A handler that could apply it by now does not get it again.
    world.execute("INSERT INTO engagement.repaired DEFAULT VALUES").await;
    let audit = world.report(&["audit", GROUP, "--service", "engagement"]).await;
    world.report(&["rebuild", GROUP, "--service", "engagement"]).await;
    assert_eq!(audit["result"]["differences"], 0, "{audit}");
    assert_eq!(world.total().await, 1 + 2);
}
