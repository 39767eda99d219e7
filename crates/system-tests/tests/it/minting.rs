//! Minting under an operator's hand: the tool against the running worker and a real chain.

use std::time::Duration;

use serde_json::{Value, json};
use shared_schemas::{MintId, PostId, moderation::Subject};
use system_tests::{journey, person::Person, token};

use crate::{
    operator::{Said, operator, operator_as},
    world::World,
};

const ADMIN: &str = "admin@demo.peerlink.invalid";

fn first_lane(lanes: &Value) -> &Value {
    lanes["lanes"].get(0).unwrap_or_else(|| panic!("no lane in {lanes}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_steers_minting_from_a_terminal() {
    let world = World::start_on_chain().await;
    let walked = Box::pin(journey::walk(&world.client, &|_: &str, _: &str, _: Duration| ())).await;
    let post = walked.unwrap();
    token::minted(&world.client, &post, |_: &str| ()).await.unwrap();
    let id = MintId::of(Subject::Post(PostId(post.parse().unwrap()))).to_string();
    let admin = Person::sign_up(&world.client, ADMIN, "Some", "Body", &["BOOKS"]).await.unwrap();
    let admin = admin.token().await.unwrap();
    let mint = async |arguments: &[&str]| -> Said {
        operator_as(&world, &admin, &[&["mint", "--json"], arguments].concat()).await
    };

    // Without a token nothing is asked.
    assert_eq!(operator(&world, &["mint", "ls"]).await.code, 78);

    let listed = mint(&["ls", "--stage", "final"]).await.json();
    let found = listed["items"].as_array().unwrap().iter().find(|one| one["id"] == json!(id));
    assert!(found.is_some(), "{listed}");
    let shown = mint(&["show", &id]).await.json();
    let kinds: Vec<&str> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["kind"].as_str())
        .collect();
    assert!(kinds.iter().any(|kind| kind.contains("requested")), "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind.contains("final")), "{kinds:?}");

    // What is on the chain cannot be taken back, and the tool says why.
    let refused = mint(&["cancel", &id]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("409"), "{refused:?}");
    let dry = mint(&["retry", &id, "--dry-run"]).await;
    assert_eq!((dry.code, &dry.json()["stage"]), (0, &json!("FINAL")), "{dry:?}");

    let lanes = mint(&["lanes"]).await;
    assert_eq!(lanes.code, 0, "{lanes:?}");
    let address = first_lane(&lanes.json())["address"].as_str().unwrap().to_owned();
    assert_eq!(mint(&["pause", &address]).await.code, 0);
    let paused = mint(&["lanes"]).await;
    assert_eq!(paused.code, 3, "{paused:?}");
    assert!(first_lane(&paused.json())["paused"].is_string(), "{paused:?}");
    assert_eq!(mint(&["resume", &address]).await.code, 0);
    let limited = mint(&["limit", &address, "--daily-budget", "5000000"]).await;
    assert_eq!(limited.code, 0, "{limited:?}");
    let lanes = mint(&["lanes"]).await;
    assert_eq!(first_lane(&lanes.json())["daily_budget"], json!(5_000_000), "{lanes:?}");

    let estimate = mint(&["estimate", "--mints", "10"]).await;
    assert!(estimate.json()["gas"].as_u64().is_some_and(|gas| gas > 0), "{estimate:?}");
    let verified = mint(&["verify"]).await;
    assert_eq!(verified.code, 0, "{verified:?}");
    assert_eq!(mint(&["rebuild", "--dry-run"]).await.code, 0);
    assert_eq!(mint(&["alerts"]).await.code, 0);
    // The same as a table for people.
    let table = operator_as(&world, &admin, &["mint", "ls", "--stage", "final"]).await;
    assert!(table.stdout.contains(&id), "{table:?}");
    world.stack.stop().await.unwrap();
}
