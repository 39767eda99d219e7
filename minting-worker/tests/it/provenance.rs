//! From a text to a token and back: every link is looked at, and a broken one is named.

use serde_json::Value;
use shared_schemas::{
    CaseId,
    moderation::{CaseEvent, Decider, Decision, ModerationReason, Subject},
    post::{Category, PostEvent},
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

async fn execute(world: &ChainWorld, sql: &str) {
    let db = world.world.running.store.db();
    sea_orm::ConnectionTrait::execute_unprepared(db, sql).await.unwrap();
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
async fn a_document_that_nobody_gives_back_is_named() {
    let world = minted().await;
    let shards = std::fs::read_dir(world.world.blocks().join("blocks")).unwrap();
    for shard in shards {
        std::fs::remove_dir_all(shard.unwrap().path()).unwrap();
    }

    assert_eq!(provenance(&world).await["verdict"], "NOT_PINNED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_names_another_document_is_named() {
    let world = minted().await;

    // What this service remembers is not what the chain says.
    execute(
        &world,
        "UPDATE mint SET cid = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'",
    )
    .await;

    assert_eq!(provenance(&world).await["verdict"], "URI_MISMATCH");
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
