//! What is wrong with a chain or a contract is named, before anything is signed.

use std::time::Duration;

use evm_chain::{Address, ContentToken};
use serde_json::json;
use shared_schemas::user::Role;
use test_kit::{TestChain, eventually};

use crate::{
    chain::{ADMIN, ChainWorld, LATER, quick},
    support::{World, person},
};

/// A key that has coins and no role.
const STRANGER: &str = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_chain_and_a_missing_contract_are_named_together_and_refused() {
    let chain = TestChain::start(Duration::from_secs(1)).await.unwrap();
    let settings = [
        ("CHAIN_RPC_URLS", chain.url()),
        ("CHAIN_ID", "5".to_owned()),
        ("MINT_CONTRACT", evm_chain::checksummed(Address::repeat_byte(9))),
        ("MINT_DEV_KEYS", TestChain::KEYS[0].to_owned()),
    ];

    let why = World::refused(&settings).await;

    assert!(why.contains("is of chain 31337, and CHAIN_ID says 5"), "{why}");
    assert!(why.contains("MINT_CONTRACT: nothing is at 0x0909090909"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_contract_is_refused_by_its_code() {
    let world = ChainWorld::start(&[], quick()).await;
    let refuser: serde_json::Value =
        serde_json::from_str(include_str!("../../../deploy/contracts/artifacts/Refuser.json"))
            .unwrap();
    let code = evm_chain::unhex(refuser["bytecode"].as_str().unwrap()).unwrap();
    let other = world.transact(TestChain::KEYS[1], None, code).await.unwrap();
    let settings = |contract| {
        [
            ("CHAIN_RPC_URLS", world.chain.url()),
            ("CHAIN_ID", TestChain::ID.to_string()),
            ("MINT_CONTRACT", evm_chain::checksummed(contract)),
            ("MINT_DEV_KEYS", TestChain::KEYS[0].to_owned()),
        ]
    };

    let why = World::refused(&settings(other)).await;

    assert!(why.contains(refuser["runtime_sha256"].as_str().unwrap()), "{why}");
    assert!(why.contains(ContentToken::code_sha256()), "{why}");
    World::start_with(&settings(world.contract.address)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_without_the_role_waits_says_what_to_do_and_goes_on_by_itself() {
    let world = ChainWorld::start(&[STRANGER], quick()).await;
    world.request(0..2).await;
    let lane = || async {
        world.world.get(Some((person(9), Role::Admin)), "/minting/lanes").await.1["lanes"][0]
            .clone()
    };
    let held = eventually(LATER, || async {
        let lane = lane().await;
        let hold = lane["hold"].as_str().unwrap_or_default();
        if hold.starts_with("MISSING_ROLE") { Ok(lane.clone()) } else { Err(lane.clone()) }
    })
    .await;
    assert!(held["next_step"].as_str().unwrap().contains("grantRole"), "{held}");
    let stranger: Address = held["address"].as_str().unwrap().parse().unwrap();

    let to = Some(world.contract.address);
    world.transact(ADMIN, to, ContentToken::allow_minter(stranger)).await;

    world.all_final(0..2).await;
    let lane = lane().await;
    assert_eq!((&lane["hold"], &lane["next_step"]), (&json!(null), &json!(null)));
}
