//! What operators see and do.

use serde_json::json;
use shared_schemas::user::Role;
use test_kit::{TestChain, eventually};

use crate::{
    chain::{ChainWorld, LATER, digest_of, mint_id, quick},
    support::person,
};

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_operate() {
    let world = ChainWorld::start(&[TestChain::KEYS[0]], quick()).await;
    let paths = ["/minting/lanes", "/minting/mints?stage=PARKED", "/minting/estimate"];

    for path in paths {
        for (role, status) in [(Role::User, 403), (Role::Moderator, 403), (Role::Admin, 200)] {
            let answer = world.world.get(Some((person(9), role)), path).await;
            assert_eq!(answer.0, status, "{path} {}", answer.1);
        }
        assert_eq!(world.world.get(None, path).await.0, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_lane_signs_nothing_until_it_is_resumed_and_a_mint_can_be_cancelled_meanwhile() {
    let world = ChainWorld::start(&[TestChain::KEYS[0]], quick()).await;
    let admin = (person(9), Role::Admin);
    let address = local_lane(&world).await;
    let lane = format!("/minting/lanes/{address}");
    let paused = world.world.post(admin, &format!("{lane}/pause"), &json!({})).await;
    assert_eq!((paused.0, &paused.1["paused"]), (200, &json!("OPERATOR")));
    world.request(0..2).await;
    let cancel = format!("/minting/mints/{}/cancel", mint_id(0));
    assert_eq!(world.world.post(admin, &cancel, &json!({})).await.1["stage"], json!("WITHDRAWN"));
    assert_eq!(world.world.post(admin, &cancel, &json!({})).await.0, 409);
    assert!(world.minted().await.is_empty());

    world.world.post(admin, &format!("{lane}/resume"), &json!({})).await;
    world.wait_for(1, "FINAL").await;

    let path = format!("/minting/mints/{}", mint_id(1));
    let shown = world.world.get(Some(admin), &path).await.1;
    let kinds: Vec<&str> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| fact["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[0], "mint.requested.v1");
    assert_eq!(kinds.last(), Some(&"mint.final.v1"));
    world.each_exactly_once(1..2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_limit_and_a_budget_hold_the_lane() {
    let world = ChainWorld::start(&[TestChain::KEYS[0]], quick()).await;
    let admin = (person(9), Role::Admin);
    let limits = format!("/minting/lanes/{}/limits", local_lane(&world).await);
    let limit = async |body| assert_eq!(world.world.put(admin, &limits, &body).await.0, 200);
    let held = async |what: &str| {
        eventually(LATER, || async {
            let lanes = world.world.get(Some(admin), "/minting/lanes").await.1;
            let hold = lanes["lanes"][0]["hold"].as_str().unwrap_or_default().to_owned();
            if hold.contains(what) { Ok(()) } else { Err(hold) }
        })
        .await;
    };

    limit(json!({ "hold_above": 1 })).await;
    world.request(0..1).await;
    held("PRICE").await;
    limit(json!({ "daily_budget": 1 })).await;
    held("DAILY_BUDGET").await;
    limit(json!({})).await;

    world.all_final(0..1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_finds_what_is_not_recorded_and_a_rebuild_records_it() {
    let world = ChainWorld::start(&[TestChain::KEYS[0]], quick()).await;
    let admin = (person(9), Role::Admin);
    let address = local_lane(&world).await;
    world.request(0..2).await;
    world.all_final(0..2).await;
    world.world.post(admin, &format!("/minting/lanes/{address}/pause"), &json!({})).await;
    world.request(2..4).await;
    world.mint_elsewhere(TestChain::KEYS[1], 2, digest_of(2)).await;
    world.mint_elsewhere(TestChain::KEYS[1], 50, digest_of(50)).await;

    let report = world.world.get(Some(admin), "/minting/verification").await.1;
    assert_eq!(report["tokens"], json!(4), "{report}");
    assert_eq!(report["unrecorded"], json!([mint_id(2)]));
    assert_eq!(report["unknown_tokens"].as_array().unwrap().len(), 1);
    assert_eq!((&report["missing"], &report["different"]), (&json!([]), &json!([])));

    let rebuilt = world.world.post(admin, "/minting/rebuild", &json!({})).await.1;
    assert_eq!(rebuilt["repaired"], json!(1));
    world.wait_for(2, "FINAL").await;
    let again = world.world.post(admin, "/minting/rebuild", &json!({})).await.1;
    assert_eq!(again["repaired"], json!(0));
}

async fn local_lane(world: &ChainWorld) -> String {
    let lanes = world.world.get(Some((person(9), Role::Admin)), "/minting/lanes").await.1;
    lanes["lanes"][0]["address"].as_str().unwrap().to_owned()
}
