//! Enough places keep it, and each was asked to prove it.

use std::sync::Arc;

use content_blocks::{Block, Profile, Store, import};
use content_pins::{Embedded, Kubo, PinningService, Place, Places, Root, ServiceSettings, TooFew};
use tempfile::TempDir;

use crate::node::{Fault, Node};

fn embedded() -> (Store, Arc<dyn Place>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    (store.clone(), Arc::new(Embedded::new(store)), directory)
}

fn blocks() -> Vec<Block> {
    import(Profile::raw_leaves(10, 2).unwrap(), b"what somebody wrote, in some blocks")
}

fn root(blocks: &[Block]) -> Root<'_> {
    Root { cid: blocks.last().unwrap().cid(), label: "mint-1", blocks }
}

#[tokio::test]
async fn a_tree_is_kept_by_a_node_and_a_directory_and_released_by_both() {
    let (store, directory, _kept) = embedded();
    let node = Node::start(Fault::None).await;
    let places = Places::new(vec![directory, Arc::new(Kubo::new(node.url.clone()))], 2).unwrap();
    let blocks = blocks();
    let root = root(&blocks);

    let kept = places.keep(&[root]).await.unwrap();
    assert_eq!((kept.at.len(), kept.not_at.len()), (2, 0));
    places.keep(&[root]).await.unwrap();
    assert_eq!(node.pinned(), [root.cid.to_string()]);
    assert!(store.is_pinned(&root.cid).unwrap());

    places.release(&root.cid, root.label).await.unwrap();
    assert!(node.pinned().is_empty());
    assert!(!store.is_pinned(&root.cid).unwrap());
    places.release(&root.cid, root.label).await.unwrap();
}

#[tokio::test]
async fn a_node_that_lies_is_not_counted() {
    for fault in [Fault::Forgets, Fault::Corrupts, Fault::Renames, Fault::Broken] {
        let (_, directory, _kept) = embedded();
        let node = Node::start(fault).await;
        let both: Vec<Arc<dyn Place>> = vec![directory, Arc::new(Kubo::new(node.url.clone()))];
        let blocks = blocks();

        let one = Places::new(both.clone(), 1).unwrap().keep(&[root(&blocks)]).await.unwrap();
        assert_eq!(one.at, ["embedded"]);
        let refused = Places::new(both, 2).unwrap().keep(&[root(&blocks)]).await.unwrap_err();
        assert_eq!((refused.enough, refused.kept.at.len(), refused.kept.not_at.len()), (2, 1, 1));
    }
}

#[tokio::test]
async fn a_node_that_lost_a_block_is_found_out_and_gets_it_again() {
    let node = Node::start(Fault::None).await;
    let places = Places::new(vec![Arc::new(Kubo::new(node.url.clone()))], 1).unwrap();
    let blocks = blocks();
    places.keep(&[root(&blocks)]).await.unwrap();
    places.check(&blocks).await.unwrap();

    let long_from_now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 40);
    node.store().collect(long_from_now).unwrap();

    assert!(places.check(&blocks).await.is_err());
    places.keep(&[root(&blocks)]).await.unwrap();
    places.check(&blocks).await.unwrap();
}

#[tokio::test]
async fn a_service_fetches_from_us_and_is_asked_for_the_bytes() {
    let (ours, _place, _kept) = embedded();
    let block = Block::of(content_blocks::Codec::Raw, &b"{\"name\":\"x\"}"[..]);
    ours.put(&block).unwrap();
    let service = Node::with_origin(Fault::None, Some(ours)).await;
    let settings = |token: &str| ServiceSettings {
        api: service.url.join("psa").unwrap(),
        token: token.to_owned(),
        gateway: service.url.clone(),
        origins: vec!["/ip4/127.0.0.1/tcp/4001".to_owned()],
    };
    let places = Places::new(vec![Arc::new(PinningService::new(settings("t")))], 1).unwrap();
    let blocks = [block];

    let kept = places.keep(&[root(&blocks)]).await.unwrap();
    assert_eq!(kept.at, ["service-127.0.0.1"]);
    assert_eq!(service.pinned(), [root(&blocks).cid.to_string()]);
    places.release(&root(&blocks).cid, "mint-1").await.unwrap();
    assert!(service.pinned().is_empty());
}

#[tokio::test]
async fn a_service_that_cannot_fetch_says_so() {
    let service = Node::start(Fault::None).await;
    let settings = ServiceSettings {
        api: service.url.join("psa").unwrap(),
        token: "t".to_owned(),
        gateway: service.url.clone(),
        origins: Vec::new(),
    };
    let places = Places::new(vec![Arc::new(PinningService::new(settings))], 1).unwrap();
    let blocks = blocks();

    let refused = places.keep(&[root(&blocks)]).await.unwrap_err();

    assert!(refused.to_string().contains("gave up"), "{refused}");
}

#[tokio::test]
async fn a_block_comes_from_the_first_place_that_has_it_whole() {
    let (_, directory, _kept) = embedded();
    let (broken, whole) = (Node::start(Fault::Corrupts).await, Node::start(Fault::None).await);
    let block = Block::of(content_blocks::Codec::Raw, &b"x"[..]);
    broken.store().put(&block).unwrap();
    whole.store().put(&block).unwrap();
    let all: Vec<Arc<dyn Place>> = vec![
        directory,
        Arc::new(Kubo::new(broken.url.clone())),
        Arc::new(Kubo::new(whole.url.clone())),
    ];

    let (name, found) = Places::new(all, 1).unwrap().fetch(&block.cid()).await.unwrap().unwrap();

    assert_eq!(found, block);
    assert!(name.ends_with(&whole.url.port().unwrap().to_string()), "{name}");
}

#[test]
fn more_places_than_there_are_cannot_be_had() {
    let (_, directory, _kept) = embedded();

    assert_eq!(Places::new(vec![directory], 2).err(), Some(TooFew { enough: 2, places: 1 }));
    assert_eq!(Places::new(Vec::new(), 0).err(), Some(TooFew { enough: 0, places: 0 }));
}
