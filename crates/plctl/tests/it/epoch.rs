//! Generations of streams.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_begins_on_request_once_and_with_a_reason() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;
    let bump = ["epoch", "bump", "--service", "post", "--partitions", "2"];
    let with_reason = [&bump[..], &["--reason", "more processes"]].concat();

    let without = world.plctl(&bump).await;
    let rehearsal = world.report(&[&with_reason[..], &["--dry-run"]].concat()).await;
    let after_rehearsal = world.report(&["epoch", "show", "--service", "post"]).await;
    let begun = world.report(&with_reason).await;
    let again = world.plctl(&with_reason).await;

    assert_eq!(without.code, 1, "a reason is kept with it");
    assert_eq!(rehearsal["changed"], json!([]));
    assert!(after_rehearsal.as_array().unwrap().len() <= 1, "{after_rehearsal}");
    assert_eq!(begun["changed"][0]["partitions"], json!(2), "{begun}");
    assert_eq!(begun["changed"][0]["ends"][0]["sequence"], json!(3), "{begun}");
    assert_eq!(again.code, 1, "there are two already");
    let shown = world.report(&["epoch", "show", "--service", "post"]).await;
    assert_eq!(shown.as_array().unwrap().last().unwrap()["partitions"], json!(2), "{shown}");
    let actions = world.report(&["actions", "--service", "post"]).await;
    assert_eq!(actions[0]["command"], "epoch bump", "{actions}");
}
