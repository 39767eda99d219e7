//! Nodes that are away, of another chain, or alone with what they say.

use std::time::Duration;

use evm_chain::{Call, Fees, LocalSigner, Market, Signer as _, sign};
use serde_json::json;
use test_kit::TestChain;

use crate::world::{World, nodes_at};

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_or_is_of_another_chain_is_left_out() {
    let world = World::start().await;
    let other = TestChain::start_with(Duration::from_secs(1), &["--chain-id", "5"]).await.unwrap();
    let nobody = "http://127.0.0.1:9".to_owned();
    let nodes = nodes_at(&[nobody.clone(), other.url(), world.chain.url()]);

    let balance = nodes.balance(world.signer.address()).await.unwrap();

    assert!(!balance.is_zero());
    let health: Vec<bool> = nodes.health().iter().map(|node| node.is_well).collect();
    assert_eq!(health, [false, false, true]);
    assert!(nodes_at(&[nobody]).balance(world.signer.address()).await.is_err());
    assert!(nodes_at(&[other.url()]).balance(world.signer.address()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_three_cannot_say_that_a_nonce_is_used() {
    let world = World::start().await;
    let liar = TestChain::start(Duration::from_secs(1)).await.unwrap();
    let me = world.signer.address();
    liar.call("anvil_setNonce", json!([me, "0x1000"])).await.unwrap();

    let nodes = nodes_at(&[liar.url(), world.chain.url(), world.chain.url()]);

    assert_eq!(nodes.mined_nonce(me).await.unwrap(), 1);
    assert!(nodes_at(&[liar.url(), world.chain.url()]).agreed_hashes(&[1]).await[0].is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_sent_again_after_the_pool_was_emptied_and_the_chain_reorganised() {
    let world = World::start().await;
    let to = Some(world.contract.address);
    let fees = Market::read(&world.nodes).await.unwrap().offer(u64::MAX);
    let call = Call { to, input: evm_chain::ContentToken::set_paused(true), gas: 100_000 };
    let signed = sign(&world.signer, TestChain::ID, 1, &call, fees).await.unwrap();
    world.chain.call("evm_setIntervalMining", json!([0])).await.unwrap();
    world.nodes.send(&[&signed.raw]).await;
    assert_eq!(world.nodes.known(&[signed.hash]).await.unwrap(), [true]);

    world.chain.empty_the_pool().await.unwrap();
    assert_eq!(world.nodes.known(&[signed.hash]).await.unwrap(), [false]);
    world.nodes.send(&[&signed.raw]).await;
    world.chain.mine(1).await.unwrap();
    assert!(world.nodes.receipts(&[signed.hash]).await.unwrap()[0].is_some());

    world.chain.reorganise(1).await.unwrap();
    assert!(world.nodes.receipts(&[signed.hash]).await.unwrap()[0].is_none());
    world.nodes.send(&[&signed.raw]).await;
    world.chain.mine(1).await.unwrap();
    assert!(world.nodes.receipts(&[signed.hash]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn the_same_transaction_always_has_the_same_bytes() {
    let signer = LocalSigner::from_hex(TestChain::KEYS[0]).unwrap();
    let call = Call { to: Some(signer.address()), input: vec![1, 2, 3], gas: 21_000 };
    let fees = Fees { max: 2_000_000_000, tip: 1_000_000_000 };

    let first = sign(&signer, 1, 7, &call, fees).await.unwrap();
    let again = sign(&signer, 1, 7, &call, fees).await.unwrap();

    assert_eq!(first, again);
    assert!(LocalSigner::from_hex("0x12").is_err());
}
