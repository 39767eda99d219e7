//! Trimming on request.

use fred::types::Value;
use serde_json::json;
use test_kit::eventually;

use crate::world::{GROUP, KEY, LIMIT, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_everybody_has_read_goes_and_what_a_registered_group_has_not_read_stays() {
    let (world, _producer, _consumer) = World::with(&[1, 2, 3]).await;
    let reported = async || {
        let groups = world.report(&["groups", "ls"]).await;
        groups.pointer("/registrations/0/sequence") == Some(&json!(3))
    };
    eventually(LIMIT, reported).await;
    let length = async || {
        let length: u64 = world.redis.command(&["XLEN", KEY]).await.unwrap();
        length
    };
    let trim = ["trim", "run", "--retention", "0"];

    let rehearsal = world.report(&["trim", "--dry-run", "--retention", "0"]).await;
    let after_rehearsal = length().await;
    world.report(&["groups", "register", "analytics.all", "--of", "post"]).await;
    let _made: Value =
        world.redis.command(&["XGROUP", "CREATE", KEY, "analytics.all", "0"]).await.unwrap();
    let held = world.report(&trim).await;
    let after_held = length().await;
    world.report(&["groups", "retire", "analytics.all"]).await;
    world.report(&trim).await;

    assert_eq!((&rehearsal[0]["through"], after_rehearsal), (&json!(3), 3), "{rehearsal}");
    assert_eq!((&held[0]["entries"], after_held), (&json!(0), 3), "{held}");
    // Redis removes whole blocks, of which this stream has one: what is certain is that nothing stands in the way.
    let free = world.report(&["trim", "--dry-run", "--retention", "0"]).await;
    assert_eq!((&free[0]["through"], &free[0]["held_by"]), (&json!(3), &json!(null)), "{free}");
    assert_eq!(world.plctl(&["trim"]).await.code, 2);
    let actions = world.report(&["actions", "--service", "post"]).await;
    assert_eq!(actions[0]["command"], "trim run", "{actions} {GROUP}");
}
