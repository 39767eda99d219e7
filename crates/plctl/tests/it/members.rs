//! Members of groups in Redis, what is pending for them, and leases.

use fred::types::Value;
use serde_json::json;
use test_kit::eventually;

use crate::world::{GROUP, KEY, LIMIT, World};

/// Members `gone` with nothing pending and `dead` with an entry pending.
async fn with_members(world: &World) {
    for command in [
        &["XGROUP", "CREATECONSUMER", KEY, "other.group", "gone"][..],
        &["XREADGROUP", "GROUP", "other.group", "dead", "COUNT", "1", "STREAMS", KEY, ">"],
    ] {
        let _answer: Value = world.redis.command(command).await.unwrap();
    }
}

async fn names(world: &World) -> Vec<String> {
    let consumers = world.report(&["consumers", "ls"]).await;
    let mut names: Vec<String> = consumers
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["group"] == "other.group")
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

async fn with_other_group() -> (World, crate::world::Node) {
    let world = World::new().await;
    let producer = world.producer();
    world.add(1, 1).await;
    world.add(1, 2).await;
    eventually(LIMIT, || async {
        world.report(&["relay", "status"]).await.pointer("/0/partitions/0/last") == Some(&json!(2))
    })
    .await;
    let _made: String =
        world.redis.command(&["XGROUP", "CREATE", KEY, "other.group", "0"]).await.unwrap();
    with_members(&world).await;
    (world, producer)
}

#[tokio::test(flavor = "multi_thread")]
async fn reaping_removes_idle_members_and_never_one_with_pending_entries() {
    let (world, _producer) = with_other_group().await;
    let reap = ["consumers", "reap", "--idle", "0ms", "--group", "other.group"];

    let rehearsal = world.report(&[&reap[..], &["--dry-run"]].concat()).await;
    let (names_after_rehearsal, actions) = (names(&world).await, world.actions().await);
    let reaped = world.report(&reap).await;

    let post = |report: &serde_json::Value| {
        let rows = report.as_array().unwrap().iter();
        let mut rows =
            rows.filter(|row| row["changed"].as_array().is_some_and(|rows| !rows.is_empty()));
        rows.next().unwrap().clone()
    };
    assert_eq!(post(&rehearsal)["changed"][0]["name"], "gone", "{rehearsal}");
    assert_eq!((names_after_rehearsal, actions), (vec!["dead".to_owned(), "gone".to_owned()], 0));
    assert_eq!(post(&reaped)["kept"][0]["name"], "dead", "{reaped}");
    assert_eq!(names(&world).await, ["dead"]);
    let pending = world.report(&["pending", "ls", "--group", "other.group"]).await;
    assert_eq!(pending[0]["consumer"], "dead", "{pending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_were_just_busy_are_not_reaped() {
    let (world, _producer) = with_other_group().await;

    world.report(&["consumers", "reap"]).await;

    assert_eq!(names(&world).await, ["dead", "gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_entries_of_a_dead_member_are_handed_to_another_without_counting_a_delivery() {
    let (world, _producer) = with_other_group().await;
    let claim = ["pending", "claim", "other.group", "--idle", "0ms", "--to", "owner"];

    let rehearsal = world.report(&[&claim[..], &["--dry-run"]].concat()).await;
    let before = world.report(&["pending", "ls"]).await;
    world.report(&claim).await;
    let after = world.report(&["pending", "ls"]).await;
    world.report(&["consumers", "reap", "--idle", "0ms", "--group", "other.group"]).await;

    assert!(rehearsal.to_string().contains("\"sequence\":1"), "{rehearsal}");
    assert_eq!((&before[0]["consumer"], &before[0]["deliveries"]), (&json!("dead"), &json!(1)));
    assert_eq!((&after[0]["consumer"], &after[0]["deliveries"]), (&json!("owner"), &json!(1)));
    assert_eq!(names(&world).await, ["owner"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_lease_is_taken_again_and_nothing_is_repeated() {
    let (world, _producer, _consumer) = World::with(&[1, 2]).await;
    let before = world.report(&["lease", "ls"]).await;
    let epoch = before[0]["epoch"].as_i64().unwrap();

    world.plctl(&["lease", "steal", GROUP]).await.is_refusal(&["--reason"]);
    let rehearsal = world.report(&["lease", "steal", GROUP, "--dry-run"]).await;
    world.report(&["lease", "steal", GROUP, "--reason", "it hangs"]).await;
    eventually(LIMIT, || async {
        let lease = world.report(&["lease", "ls"]).await;
        lease[0]["is_live"] == true && lease[0]["epoch"].as_i64() > Some(epoch)
    })
    .await;
    world.add(1, 3).await;
    world.at(3).await;

    assert_eq!(rehearsal["changed"][0]["epoch"], epoch, "{rehearsal}");
    assert_eq!(world.total().await, 6);
    world.plctl(&["lease", "steal", "no.group", "--reason", "x"]).await.is_refusal(&["groups ls"]);
}
