//! What tokens say is kept, served to anybody, repaired when it is lost, and given up with its content.

use content_blocks::{Block, Cid, car};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::Env;
use shared_schemas::{UserId, post::PostEvent, user::Role};
use test_kit::eventually;

use crate::support::{SOON, World, person, post, published};

fn path(cid: &Value) -> String {
    format!("/ipfs/{}?format=raw", cid.as_str().unwrap())
}

/// Publishes a post: what its token says.
async fn minted(world: &World, author: UserId, number: u128) -> Value {
    world.happen(post(number), &published(author)).await;
    world.metadata(author, post(number)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_can_fetch_what_a_token_says_and_verify_it() {
    let world = World::start().await;
    let metadata = minted(&world, person(1), 1).await;
    let cid: Cid = metadata["cid"].as_str().unwrap().parse().unwrap();

    let response = world.outside(&path(&metadata["cid"]), &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/vnd.ipld.raw");
    assert_eq!(response.headers()["cache-control"], "public, max-age=29030400, immutable");
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    let block = Block::verified(cid, response.bytes().await.unwrap()).unwrap();
    let document: Value = serde_json::from_slice(block.bytes()).unwrap();
    assert_eq!(document, metadata["document"]);

    let again = world.outside(&path(&metadata["cid"]), &[("If-None-Match", &tag)]).await;
    assert_eq!(again.status(), 304);
    let image = document["image"].as_str().unwrap().trim_start_matches("ipfs://").to_owned();
    let picture = world.outside(&path(&json!(image)), &[]).await.bytes().await.unwrap();
    assert!(picture.starts_with(b"<svg "));
    let accept = [("Accept", "application/vnd.ipld.car")];
    let archive = world.outside(&format!("/ipfs/{cid}"), &accept).await.bytes().await.unwrap();
    let blocks: Vec<Block> = car::Reader::open(&archive[..]).unwrap().map(Result::unwrap).collect();
    assert_eq!(blocks, [block]);

    for (path, status) in [
        (format!("/ipfs/{cid}"), 406),
        ("/ipfs/nonsense?format=raw".to_owned(), 400),
        (
            "/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku?format=raw"
                .to_owned(),
            404,
        ),
    ] {
        assert_eq!(world.outside(&path, &[]).await.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_in_it_only_if_its_author_said_so() {
    let world = World::start().await;
    let (anna, bert) = (person(1), person(2));
    world.agree(bert, "EVERYTHING", "FULL_TEXT").await;

    let hidden = minted(&world, anna, 1).await;
    let shown = minted(&world, bert, 2).await;

    assert!(!hidden["document"].to_string().contains("A body."));
    assert!(hidden["document"]["properties"]["text"]["commitment"].is_string());
    assert_eq!(shown["document"]["name"], "A title");
    assert_eq!(shown["document"]["properties"]["text"]["body"], "A body.");
    // The salt is its author's alone.
    let id = shared_schemas::MintId::of(shared_schemas::moderation::Subject::Post(post(1)));
    let path = format!("/mints/{id}/metadata");
    assert_eq!(world.get(Some((bert, Role::Admin)), &path).await.0, 404);
    assert_eq!(world.get(None, &path).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_content_what_its_token_would_say_goes_too() {
    let world = World::start().await;
    let anna = person(1);
    let metadata = minted(&world, anna, 1).await;

    world.happen(post(1), &PostEvent::Deleted {}).await;

    eventually(SOON, || async {
        let status = world.outside(&path(&metadata["cid"]), &[]).await.status().as_u16();
        if status == 404 { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_lost_is_noticed_and_kept_again() {
    let world = World::with(
        event_runtime::Clock::System,
        &[("MINT_DELAY", "0"), ("PIN_AUDIT_INTERVAL", "1")],
    )
    .await;
    let anna = person(1);
    world.agree(anna, "EVERYTHING", "COMMITMENT").await;
    world.prove(anna, &crate::support::key(1)).await;
    let metadata = minted(&world, anna, 1).await;

    let shards = world.blocks().join("blocks");
    for shard in std::fs::read_dir(&shards).unwrap() {
        for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            std::fs::write(file.unwrap().path(), b"rotten").unwrap();
        }
    }

    eventually(SOON, || async {
        let status = world.outside(&path(&metadata["cid"]), &[]).await.status().as_u16();
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_ones_own_comes_in_one_archive() {
    let world = World::start().await;
    let (anna, bert) = (person(1), person(2));
    let own = [minted(&world, anna, 1).await, minted(&world, anna, 3).await];
    minted(&world, bert, 2).await;

    let archive = world.bytes(anna, "/mints/export").await;

    let reader = car::Reader::open(archive.as_slice()).unwrap();
    let roots: Vec<String> = reader.roots().iter().map(Cid::to_string).collect();
    assert_eq!(roots.len(), 4);
    for metadata in own {
        assert!(roots.contains(&metadata["cid"].as_str().unwrap().to_owned()));
    }
    assert_eq!(reader.map(Result::unwrap).count(), 4);
    assert_eq!(world.send(Method::GET, person(3), "/mints/export", None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_settings_are_reported_all_at_once() {
    let mut env = Env::from_pairs([
        ("MINT_DELAY", "soon"),
        ("PIN_REQUIRED", "many"),
        ("PIN_KUBO_URLS", "ftp://127.0.0.1"),
        ("PIN_SERVICE_URL", "https://127.0.0.1/psa"),
        ("BLOCKS_DIR", "/dev/null/blocks"),
    ]);

    let refused = env.read::<minting_worker::config::Config>().err().unwrap().to_string();

    for name in [
        "MINT_DELAY",
        "PIN_REQUIRED",
        "PIN_KUBO_URLS",
        "PIN_SERVICE_TOKEN",
        "PIN_SERVICE_GATEWAY_URL",
        "BLOCKS_DIR",
    ] {
        assert!(refused.contains(name), "{name}: {refused}");
    }
    let directory = tempfile::tempdir().unwrap();
    let blocks = directory.path().display().to_string();
    let mut env = Env::from_pairs([("PIN_REQUIRED", "2"), ("BLOCKS_DIR", blocks.as_str())]);
    let refused = env.read::<minting_worker::config::Config>().err().unwrap().to_string();
    assert!(refused.contains("PIN_REQUIRED asks for too much"), "{refused}");
}

/// A burst is worked off in batches, and each of its posts is treated as if it were alone.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_posts_at_once_each_says_its_own_and_those_that_go_leave_nothing() {
    let world = World::start().await;
    let anna = person(1);
    let (world_ref, titled) = (&world, |number: u128, title: String| {
        let mut event = published(anna);
        let PostEvent::Published { title: kept, .. } = &mut event else { panic!("not published") };
        *kept = title;
        (post(number), event)
    });
    world.agree(anna, "EVERYTHING", "FULL_TEXT").await;
    futures_util::future::join_all((1..=90).map(|number| async move {
        let (id, event) = titled(number, format!("Post {number}"));
        world_ref.happen(id, &event).await;
        if number % 3 == 0 {
            world_ref.happen(id, &PostEvent::Deleted {}).await;
        }
        if number % 3 == 1 {
            let PostEvent::Published { category, body, .. } = published(anna) else { return };
            let title = format!("Post {number}, corrected");
            world_ref
                .happen(id, &PostEvent::Edited { title, body, category, author_id: anna })
                .await;
        }
    }))
    .await;

    for number in 1..=90 {
        let id =
            shared_schemas::MintId::of(shared_schemas::moderation::Subject::Post(post(number)));
        let expected = match number % 3 {
            0 => None,
            1 => Some(format!("Post {number}, corrected")),
            _ => Some(format!("Post {number}")),
        };
        eventually(SOON, || async {
            let path = format!("/mints/{id}/metadata");
            let (status, metadata) = world.get(Some((anna, Role::User)), &path).await;
            let is_kept = metadata["kept_at"].as_array().is_some_and(|at| !at.is_empty());
            let name = metadata["document"]["name"].as_str().map(str::to_owned);
            if (expected.is_none() && status == 404) || (is_kept && name == expected) {
                return Ok(());
            }
            Err((number, status, metadata))
        })
        .await;
    }
    let blocks: usize = std::fs::read_dir(world.blocks().join("pins"))
        .unwrap()
        .filter(|pin| std::fs::read_dir(pin.as_ref().unwrap().path()).unwrap().count() > 0)
        .count();
    // A document and a picture of each that stands; what was said before a correction may still be there until it is swept.
    assert!((120..=180).contains(&blocks), "{blocks} roots are pinned");
}
