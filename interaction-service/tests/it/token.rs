//! A comment shows how far its token is, as the minting worker says.

use serde_json::{Value, json};
use shared_schemas::{MintId, mint::MintEvent, moderation::Subject};
use test_kit::eventually;

use crate::support::{SOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_shows_its_token_alone_and_in_a_list() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let comment = world.comment(&reader, post, &json!({"body": "yes", "mint": true})).await;
    let subject = Subject::Comment(comment);
    let mint = MintId::of(subject);
    let (hash, owner) = (format!("0x{}", "1".repeat(64)), format!("0x{}", "3".repeat(40)));
    let events = [
        MintEvent::Requested { subject, author_id: reader.id },
        MintEvent::Planned { lane: owner, erc1155_id: hash.clone() },
        MintEvent::Mined { hash: hash.clone(), block: 7, block_hash: hash.clone() },
        MintEvent::Final { block: 7, block_hash: hash.clone() },
    ];
    for (version, event) in (1..).zip(&events) {
        world.publisher.publish(mint, version, event).await.unwrap();
    }

    let token = json!({ "state": "MINTING_COMPLETED", "token_id": hash, "tx": hash });
    eventually(SOON, || async {
        let shown = world.get(&author, &format!("/comments/{comment}")).await.1;
        let listed = world.items(&author, &format!("/{post}/comments")).await;
        let found: [&Value; 2] = [&shown["token"], &listed[0]["token"]];
        if found == [&token, &token] { Ok(()) } else { Err(shown) }
    })
    .await;
    world.audited().await;
}
