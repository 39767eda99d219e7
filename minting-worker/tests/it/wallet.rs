//! Addresses are proven by signatures.

use ethers_signers::Signer;
use reqwest::Method;
use serde_json::json;
use shared_schemas::user::Role;

use crate::support::{World, key, person};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_proven_replaced_and_removed() {
    let world = World::start().await;
    let anna = person(1);
    let wallet = world.prove(anna, &key(1)).await;
    // The address of the key 1, as everybody knows it.
    assert_eq!(wallet["address"], "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
    assert_eq!(world.get(Some((anna, Role::User)), "/mints/wallet").await, (200, wallet));

    let other = world.prove(anna, &key(7)).await;
    assert_eq!(world.get(Some((anna, Role::User)), "/mints/wallet").await, (200, other));
    for _ in 0..2 {
        assert_eq!(world.send(Method::DELETE, anna, "/mints/wallet", None).await.0, 204);
        assert_eq!(world.get(Some((anna, Role::User)), "/mints/wallet").await.0, 404);
    }
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_proves_nothing_is_refused_with_its_reason() {
    let world = World::start().await;
    let (anna, bert) = (person(1), person(2));
    let claim = |address: String| Some(json!({ "address": address }));
    let path = "/mints/wallet/challenge";
    let address = format!("{:?}", key(8).address());

    let wrong = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned();
    assert_eq!(world.send(Method::POST, anna, path, claim(wrong)).await.0, 422);
    assert_eq!(world.send(Method::POST, anna, path, claim("0x12".to_owned())).await.0, 400);
    assert_eq!(world.send(Method::POST, anna, path, claim(format!("0x{:040}", 0))).await.0, 422);

    let signed = |signature: String| Some(json!({ "signature": format!("0x{signature}") }));
    let any = "11".repeat(64) + "1b";
    assert_eq!(world.send(Method::PUT, anna, "/mints/wallet", signed(any)).await.0, 409);
    let challenge = world.send(Method::POST, anna, path, claim(address)).await.1;
    let text = challenge["message"].as_str().unwrap();
    let others = key(9).sign_message(text).await.unwrap().to_string();
    assert_eq!(world.send(Method::PUT, anna, "/mints/wallet", signed(others)).await.0, 422);
    let own = key(8).sign_message(text).await.unwrap().to_string();
    // Somebody else's account, with a signature that is right for this one.
    assert_eq!(world.send(Method::PUT, bert, "/mints/wallet", signed(own.clone())).await.0, 409);
    assert_eq!(world.send(Method::PUT, anna, "/mints/wallet", signed(own.clone())).await.0, 200);
    // Once.
    assert_eq!(world.send(Method::PUT, anna, "/mints/wallet", signed(own)).await.0, 409);
}
