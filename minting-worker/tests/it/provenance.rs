//! From a text to a token and back: every link is looked at, and a broken one is named.

use evm_chain::ContentToken;
use serde_json::{Value, json};
use shared_schemas::{
    CaseId,
    moderation::{CaseEvent, Decider, Decision, ModerationReason, Subject},
    post::{Category, PostEvent},
    user::Role,
};
use test_kit::{TestChain, eventually};
use uuid::Uuid;

use crate::{
    chain::{ChainWorld, LATER, quick},
    support::{key, person, post},
};

const KEY: [&str; 1] = [TestChain::KEYS[0]];

/// A worker on a chain, and somebody who has one post minted by it.
async fn minted() -> ChainWorld {
    let mut settings = quick();
    settings.push(("MINT_DELAY", "0".to_owned()));
    let world = ChainWorld::start(&KEY, settings).await;
    world.world.agree(person(1), "EVERYTHING", "COMMITMENT").await;
    world.world.prove(person(1), &key(1)).await;
    world.world.happen(post(1), &crate::support::published(person(1))).await;
    eventually(LATER, || async {
        let mints = world.world.running.store.db();
        let row = sea_orm::ConnectionTrait::query_one_raw(
            mints,
            sea_orm::raw_sql!(Postgres, "SELECT 1 AS final FROM mint WHERE stage = 'FINAL'"),
        );
        row.await.unwrap().ok_or("not final")
    })
    .await;
    world
}

async fn provenance(world: &ChainWorld) -> Value {
    let (code, provenance) = world.world.get(None, &format!("/provenance/{}", post(1))).await;
    assert_eq!(code, 200, "{provenance}");
    provenance
}

async fn becomes(world: &ChainWorld, verdict: &str) -> Value {
    eventually(LATER, || async {
        let provenance = provenance(world).await;
        if provenance["verdict"] == verdict { Ok(provenance) } else { Err(provenance) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_becomes_a_token_of_its_author_that_names_its_document() {
    let world = minted().await;

    let found = provenance(&world).await;

    assert_eq!(found["verdict"], "MATCH");
    assert_eq!(found["owner"], "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
    assert_eq!(found["uri"], format!("ipfs://{}", found["minted_cid"].as_str().unwrap()));
    assert_eq!(found["recomputed_cid"], found["minted_cid"]);
    assert_eq!(found["fetched_from"], "embedded");
    let unknown = format!("/provenance/{}", post(2));
    assert_eq!(world.world.get(None, &unknown).await.0, 404);
    assert_eq!(world.world.get(None, "/provenance/that-one").await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_changed_and_a_case_against_it_are_named() {
    let world = minted().await;
    let edited = PostEvent::Edited {
        author_id: person(1),
        title: "A title".to_owned(),
        body: "Another body.".to_owned(),
        category: Category::Books,
    };
    world.world.happen(post(1), &edited).await;
    let found = becomes(&world, "EDITED_SINCE_MINT").await;
    assert_ne!(found["recomputed_cid"], found["minted_cid"]);
    assert_eq!((&found["minted_version"], &found["content_version"]), (&1.into(), &2.into()));

    let decided = CaseEvent::Decided {
        subject: Subject::Post(post(1)),
        author_id: person(1),
        decision: Decision::Delete,
        reasons: vec![ModerationReason::Spam],
        decided_by: Decider::Moderator { user_id: person(9) },
    };
    world.world.happen(CaseId(Uuid::from_u128(0x300)), &decided).await;
    becomes(&world, "MODERATED_AFTER_MINT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_other_bytes_is_as_good_as_none() {
    let world = minted().await;
    let shards = std::fs::read_dir(world.world.blocks().join("blocks")).unwrap();
    for shard in shards {
        for block in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            std::fs::write(block.unwrap().path(), "something else").unwrap();
        }
    }

    assert_eq!(provenance(&world).await["verdict"], "NOT_PINNED");
}

/// Where the contract keeps the digest of a token: found by its value, since the compiler alone decides about the place.
async fn digest_slot(world: &ChainWorld) -> String {
    let token = evm_chain::contract::id_bytes(crate::chain::token(1));
    let question = [ContentToken::digest_of(crate::chain::token(1))];
    let answers = world.nodes.read(world.contract.address, &question, None).await.unwrap();
    let digest = ContentToken::digest_in(answers[0].as_ref().unwrap()).unwrap();
    for place in 0_u64..16 {
        let base = evm_chain::contract::id_bytes(evm_chain::U256::from(place));
        let slot = evm_chain::word(ethers_core::utils::keccak256([token, base].concat()));
        let at = json!([world.contract.address, slot, "latest"]);
        if world.chain.call("eth_getStorageAt", at).await.unwrap() == json!(evm_chain::word(digest))
        {
            return slot;
        }
    }
    panic!("no such place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_names_another_document_is_named() {
    let world = minted().await;
    let slot = digest_slot(&world).await;

    let other = json!([world.contract.address, slot, evm_chain::word([7; 32])]);
    world.chain.call("anvil_setStorageAt", other).await.unwrap();

    let found = provenance(&world).await;
    assert_eq!(found["verdict"], "URI_MISMATCH");
    assert_ne!(found["uri"], format!("ipfs://{}", found["minted_cid"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moderation_hides_is_put_away_and_comes_back_with_the_same_document() {
    let world = minted().await;
    let case_id = CaseId(Uuid::from_u128(0x300));
    let cid = provenance(&world).await["minted_cid"].as_str().unwrap().to_owned();
    let block = format!("/ipfs/{cid}?format=raw");
    let served = async || world.world.outside(&block, &[]).await.status().as_u16();
    assert_eq!(served().await, 200);

    world.world.happen(post(1), &PostEvent::Hidden { author_id: person(1), case_id }).await;
    becomes(&world, "MODERATED_AFTER_MINT").await;
    let answers = async |wanted: u16| {
        eventually(LATER, || async {
            let status = served().await;
            if status == wanted { Ok(()) } else { Err(status) }
        })
        .await;
    };
    answers(410).await;

    world.world.happen(post(1), &PostEvent::Restored { author_id: person(1), case_id }).await;
    let found = becomes(&world, "MATCH").await;
    assert_eq!(found["minted_cid"], cid);
    answers(200).await;
    let events = world.mints.state(crate::chain::mint_id(1)).await.unwrap().0;
    assert!(!events.is_tombstoned);

    // What its author deletes while it is hidden is forgotten for good.
    world.world.happen(post(1), &PostEvent::Hidden { author_id: person(1), case_id }).await;
    becomes(&world, "MODERATED_AFTER_MINT").await;
    world.world.happen(post(1), &PostEvent::Deleted {}).await;
    eventually(LATER, || async {
        let db = world.world.running.store.db();
        let row = sea_orm::ConnectionTrait::query_one_raw(
            db,
            sea_orm::raw_sql!(Postgres, "SELECT 1 AS kept FROM metadata"),
        );
        if row.await.unwrap().is_none() { Ok(()) } else { Err("the salt is still there") }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_its_address_refused_is_minted_to_the_one_that_is_proven_next() {
    let mut settings = quick();
    settings.push(("MINT_DELAY", "0".to_owned()));
    let world = ChainWorld::start(&KEY, settings).await;
    let refuser: Value =
        serde_json::from_str(include_str!("../../../deploy/contracts/artifacts/Refuser.json"))
            .unwrap();
    let code = evm_chain::unhex(refuser["bytecode"].as_str().unwrap()).unwrap();
    let refuser = world.transact(TestChain::KEYS[1], None, code).await.unwrap();
    let code = world.chain.call("eth_getCode", json!([refuser, "latest"])).await.unwrap();
    let wallet = format!("{:?}", ethers_signers::Signer::address(&key(1)));
    world.chain.call("anvil_setCode", json!([wallet, code])).await.unwrap();
    world.world.agree(person(1), "EVERYTHING", "COMMITMENT").await;
    world.world.prove(person(1), &key(1)).await;
    world.world.happen(post(1), &crate::support::published(person(1))).await;
    let parked = eventually(LATER, || async {
        let path = "/minting/mints?stage=PARKED";
        let page = world.world.get(Some((person(9), Role::Admin)), path).await.1;
        page["items"].as_array().unwrap().first().cloned().ok_or(page)
    })
    .await;
    assert_eq!(parked["park_reason"], "RECIPIENT_REFUSES");

    world.world.prove(person(1), &key(2)).await;
    let retry = format!("/minting/mints/{}/retry", parked["id"].as_str().unwrap());
    assert_eq!(world.world.post((person(9), Role::Admin), &retry, &json!({})).await.0, 200);

    world.wait_for(1, "FINAL").await;
    let found = becomes(&world, "MATCH").await;
    let other = ethers_signers::Signer::address(&key(2));
    assert_eq!(found["owner"], ethers_core::utils::to_checksum(&other, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_went_away_is_named() {
    let world = minted().await;

    // Deeper than anybody waits for.
    let block = provenance(&world).await["block"].as_u64().unwrap();
    let height = world.nodes.height().await.unwrap();
    world.chain.reorganise(height - block + 1).await.unwrap();

    let found = becomes(&world, "REORGED").await;
    assert_eq!((&found["uri"], &found["is_in_chain"]), (&"".into(), &false.into()));
}
