//! A lane on a real chain: mints get there once, whatever the chain does.

use std::time::Duration;

use serde_json::json;
use shared_schemas::{post::PostEvent, user::Role};
use test_kit::{Fault, FaultProxy, TestChain, eventually};

use crate::{
    chain::{ChainWorld, LATER, digest_of, mint_id, owner_of, quick, token},
    support::{World, person, post},
};

const KEY: [&str; 1] = [TestChain::KEYS[0]];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_is_minted_once_and_final_after_its_confirmations() {
    let world = ChainWorld::start(&KEY, quick()).await;

    world.request(0..12).await;
    world.all_final(0..12).await;

    world.each_exactly_once(0..12).await;
    assert_eq!(world.standing(3).await.state, "MINTING_COMPLETED");
    world.world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_chain_the_worker_runs_and_mints_wait() {
    let world = ChainWorld::start(&[], quick()).await;

    world.request(0..2).await;

    assert_eq!(world.standing(0).await.state, "READY_FOR_MINTING");
    assert!(world.minted().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_signers_share_the_work_and_mint_nothing_twice() {
    let world = ChainWorld::start(&TestChain::KEYS, quick()).await;

    world.request(0..40).await;
    world.all_final(0..40).await;

    world.each_exactly_once(0..40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganisations_take_mints_back_and_the_same_transactions_bring_them_again() {
    let mut settings = quick();
    settings.push(("MINT_CONFIRMATIONS", "30".to_owned()));
    let world = ChainWorld::start(&KEY, settings).await;
    world.chain.mine(15).await.unwrap();
    let before = world.nodes.height().await.unwrap();
    world.request(0..10).await;
    for number in 0..10 {
        world.wait_for(number, "MINED").await;
    }

    // The last one goes back to before the first of them, however long they took.
    let all = world.nodes.height().await.unwrap() - before;
    for depth in [1, 3, all.max(12)] {
        world.chain.reorganise(depth).await.unwrap();
        for number in 0..10 {
            world.wait_for(number, "MINED").await;
        }
    }

    world.chain.mine(40).await.unwrap();
    world.all_final(0..10).await;
    world.each_exactly_once(0..10).await;
    let (_, version) = world.mints.state(mint_id(0)).await.unwrap();
    assert!(version.0 > 6, "the reorganisation is part of its history");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_pool_and_a_fee_spike_only_delay() {
    let world = ChainWorld::start(&KEY, quick()).await;
    world.chain.call("evm_setIntervalMining", json!([0])).await.unwrap();
    world.request(0..10).await;
    for number in 0..10 {
        world.wait_for(number, "BROADCAST").await;
    }
    world.chain.empty_the_pool().await.unwrap();
    world.chain.next_base_fee(500_000_000_000).await.unwrap();
    world.chain.call("evm_setIntervalMining", json!([1])).await.unwrap();

    world.all_final(0..10).await;

    world.each_exactly_once(0..10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_before_the_signature_cancels_and_one_after_it_leaves_a_tombstone() {
    let mut settings = quick();
    settings.push(("MINT_CONFIRMATIONS", "1000".to_owned()));
    let world = ChainWorld::start(&KEY, settings).await;
    world.set_paused(true).await;
    world.request(0..1).await;
    world.world.happen(post(0), &PostEvent::Archived {}).await;
    world.wait_for(0, "WITHDRAWN").await;
    world.set_paused(false).await;
    world.request(1..2).await;
    world.wait_for(1, "MINED").await;

    world.world.happen(post(1), &PostEvent::Archived {}).await;
    eventually(LATER, || async {
        let standing = world.standing(1).await;
        if standing.tombstoned { Ok(()) } else { Err(standing) }
    })
    .await;

    assert_eq!(world.standing(1).await.stage, "MINED");
    world.each_exactly_once(1..2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_refuses_is_parked_alone_and_minted_after_a_retry() {
    let world = ChainWorld::start(&KEY, quick()).await;
    let refuser: serde_json::Value =
        serde_json::from_str(include_str!("../../../deploy/contracts/artifacts/Refuser.json"))
            .unwrap();
    let code = evm_chain::unhex(refuser["bytecode"].as_str().unwrap()).unwrap();
    let refuser = world.transact(TestChain::KEYS[1], None, code).await.unwrap();
    for number in 0..3 {
        world.world.happen_unscreened(post(number), &crate::support::published(person(1))).await;
    }
    world.pin(0, &owner_of(0)).await;
    world.pin(1, &evm_chain::checksummed(refuser)).await;
    world.pin(2, &owner_of(2)).await;

    let parked = world.wait_for(1, "PARKED").await;

    assert_eq!(parked.park_reason.as_deref(), Some("RECIPIENT_REFUSES"));
    assert_eq!(parked.state, "MINTING_FAILED");
    world.wait_for(0, "FINAL").await;
    world.wait_for(2, "FINAL").await;
    // Whoever lives there takes tokens now.
    world.chain.call("anvil_setCode", json!([refuser, "0x"])).await.unwrap();
    let retry = format!("/minting/mints/{}/retry", mint_id(1));
    let admin = (person(9), Role::Admin);
    assert_eq!(world.world.post(admin, &retry, &json!({})).await.0, 200);
    // It begins anew, with the address that its author has now: here the same.
    world.pin(1, &evm_chain::checksummed(refuser)).await;
    world.all_final(0..3).await;
    world.each_exactly_once(0..3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_chain_already_is_not_paid_for_again() {
    let world = ChainWorld::start(&KEY, quick()).await;
    world.mint_elsewhere(TestChain::KEYS[1], 0, digest_of(0)).await;
    world.mint_elsewhere(TestChain::KEYS[1], 1, [9; 32]).await;

    world.request(0..2).await;

    world.wait_for(0, "FINAL").await;
    let parked = world.wait_for(1, "PARKED").await;
    assert_eq!(parked.park_reason.as_deref(), Some("DIFFERENT_CONTENT"));
    let account = evm_chain::Signer::address(&evm_chain::LocalSigner::from_hex(KEY[0]).unwrap());
    assert_eq!(world.nodes.mined_nonce(account).await.unwrap(), 0, "the lane has sent nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_somebody_else_used_pauses_the_lane() {
    let world = ChainWorld::start(&KEY, quick()).await;
    world.request(0..1).await;
    world.wait_for(0, "FINAL").await;
    world.mint_elsewhere(KEY[0], 7, digest_of(7)).await;
    world.chain.mine(5).await.unwrap();
    let lanes =
        || async { world.world.get(Some((person(9), Role::Admin)), "/minting/lanes").await.1 };
    let paused = eventually(LATER, || async {
        let lanes = lanes().await;
        if lanes["lanes"][0]["paused"] == json!("FOREIGN_NONCE") { Ok(lanes) } else { Err(lanes) }
    })
    .await;
    world.request(1..2).await;
    let address = paused["lanes"][0]["address"].as_str().unwrap().to_owned();

    let resume = format!("/minting/lanes/{address}/resume");
    assert_eq!(world.world.post((person(9), Role::Admin), &resume, &json!({})).await.0, 200);

    world.wait_for(1, "FINAL").await;
    assert_eq!(world.minted().await.get(&token(1)), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_away_delay_and_a_lying_one_among_three_changes_nothing() {
    let chain = TestChain::start(Duration::from_millis(200)).await.unwrap();
    let liar = TestChain::start(Duration::from_secs(1)).await.unwrap();
    liar.mine(500).await.unwrap();
    let proxy = FaultProxy::start(&chain.url()).await.unwrap();
    let urls = [proxy.url().to_owned(), liar.url(), chain.url()];
    let world = ChainWorld::start_on(chain, &urls, &KEY, quick()).await;

    proxy.set(Fault::Refuse);
    world.request(0..5).await;
    proxy.set(Fault::None);

    world.all_final(0..5).await;
    world.each_exactly_once(0..5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_is_replayed_into_an_empty_database_mints_nothing() {
    let world = ChainWorld::start(&KEY, quick()).await;
    world.request(0..6).await;
    world.all_final(0..6).await;
    let account = evm_chain::Signer::address(&evm_chain::LocalSigner::from_hex(KEY[0]).unwrap());
    let sent = world.nodes.mined_nonce(account).await.unwrap();

    // Another worker that knows nothing, with the same chain and the same content.
    let mut settings = quick();
    settings.extend([
        ("CHAIN_RPC_URLS", world.chain.url()),
        ("CHAIN_ID", TestChain::ID.to_string()),
        ("MINT_CONTRACT", evm_chain::checksummed(world.contract.address)),
        ("MINT_DEV_KEYS", KEY[0].to_owned()),
    ]);
    let ChainWorld { world: first, chain, contract, nodes, .. } = world;
    first.running.stop().await;
    let second = World::start_with(&settings).await;
    let mints = event_runtime::Streams::new(
        second.running.store.clone(),
        minting_worker::mint::projection::MintReadModel,
    );
    let world = ChainWorld { world: second, chain, contract, nodes, mints };
    world.request(0..6).await;
    world.all_final(0..6).await;

    assert_eq!(world.nodes.mined_nonce(account).await.unwrap(), sent);
    world.each_exactly_once(0..6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_contract_and_an_empty_wallet_hold_the_lane_and_park_nothing() {
    let world = ChainWorld::start(&KEY, quick()).await;
    let account = evm_chain::Signer::address(&evm_chain::LocalSigner::from_hex(KEY[0]).unwrap());
    let hold = || async {
        let lanes = world.world.get(Some((person(9), Role::Admin)), "/minting/lanes").await.1;
        lanes["lanes"][0]["hold"].as_str().unwrap_or_default().to_owned()
    };
    let waits_for = async |what: &str| {
        eventually(LATER, || async {
            let hold = hold().await;
            if hold.contains(what) { Ok(()) } else { Err(hold) }
        })
        .await;
    };
    world.set_paused(true).await;
    world.request(0..3).await;
    waits_for("EnforcedPause").await;
    world.chain.call("anvil_setBalance", json!([account, "0x1"])).await.unwrap();
    world.set_paused(false).await;
    waits_for("INSUFFICIENT_FUNDS").await;

    world.chain.call("anvil_setBalance", json!([account, "0xde0b6b3a7640000"])).await.unwrap();

    world.all_final(0..3).await;
}
