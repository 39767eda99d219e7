//! A post shows how far its token is, as the minting worker says.

use serde_json::{Value, json};
use shared_schemas::{MintId, PostId, mint::MintEvent, moderation::Subject};
use test_kit::eventually;

use crate::support::{SOON, World};

const CID: &str = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

#[tokio::test(flavor = "multi_thread")]
async fn a_post_shows_its_token_and_a_reorganisation_takes_its_transaction_back() {
    let world = World::start().await;
    let author = world.person(1);
    let post = PostId(world.write(&author, "POSTED").await);
    let subject = Subject::Post(post);
    let mint = MintId::of(subject);
    let (one, two) = (format!("0x{}", "1".repeat(64)), format!("0x{}", "2".repeat(64)));
    let shows = async |token: Value| {
        eventually(SOON, || async {
            let (_, shown) = world.get(&author, &format!("/posts/{post}")).await;
            if shown["token"] == token { Ok(()) } else { Err(shown) }
        })
        .await;
    };
    let mut version = 0;
    let mut happens = async |event: MintEvent| {
        version += 1;
        world.publisher.publish(mint, version, &event).await.unwrap();
    };
    let mined = MintEvent::Mined { hash: one.clone(), block: 7, block_hash: two.clone() };

    shows(Value::Null).await;
    happens(MintEvent::Requested { subject, author_id: author.id }).await;
    shows(json!({ "state": "READY_FOR_MINTING" })).await;
    let (cid, digest, owner) = (CID.to_owned(), one.clone(), format!("0x{}", "3".repeat(40)));
    happens(MintEvent::Pinned { cid, digest, owner: owner.clone() }).await;
    happens(MintEvent::Planned { lane: owner, erc1155_id: two.clone() }).await;
    shows(json!({ "state": "MINTING_IN_PROGRESS", "cid": CID, "token_id": two })).await;
    happens(mined.clone()).await;
    shows(json!({ "state": "MINTING_IN_PROGRESS", "cid": CID, "token_id": two, "tx": one })).await;
    happens(MintEvent::Reorged { block_hash: two.clone() }).await;
    shows(json!({ "state": "MINTING_IN_PROGRESS", "cid": CID, "token_id": two })).await;
    happens(mined).await;
    happens(MintEvent::Final { block: 7, block_hash: two.clone() }).await;
    shows(json!({ "state": "MINTING_COMPLETED", "cid": CID, "token_id": two, "tx": one })).await;
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mint_that_is_withdrawn_is_no_token() {
    let world = World::start().await;
    let author = world.person(1);
    let post = PostId(world.write(&author, "POSTED").await);
    let subject = Subject::Post(post);
    let mint = MintId::of(subject);
    let requested = MintEvent::Requested { subject, author_id: author.id };
    world.publisher.publish(mint, 1, &requested).await.unwrap();
    let is = async |token: bool| {
        eventually(SOON, || async {
            let (_, page) = world.get(&author, "/posts").await;
            if page["items"][0]["token"].is_object() == token { Ok(()) } else { Err(page) }
        })
        .await;
    };

    is(true).await;
    world.publisher.publish(mint, 2, &MintEvent::Withdrawn {}).await.unwrap();
    is(false).await;
    world.audited().await;
}
