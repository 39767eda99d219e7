//! A store keeps what is pinned, serves nothing that is broken, and loses nothing to a crash.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use content_blocks::{Block, Codec, Profile, Source, Store, StoreError, dag, import};
use tempfile::TempDir;

use crate::made;

#[expect(clippy::disallowed_methods, reason = "compared with times of the file system")]
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_mins(1)
}

fn open() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Store::open(directory.path()).unwrap(), directory)
}

/// Puts a file of many blocks: its root.
fn put(store: &Store, size: usize) -> content_blocks::Cid {
    let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(size));
    for block in &blocks {
        store.put(block).unwrap();
    }
    blocks.last().unwrap().cid()
}

/// The files of all blocks.
fn files(directory: &TempDir) -> Vec<PathBuf> {
    let shards = fs::read_dir(directory.path().join("blocks")).unwrap();
    shards
        .flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect()
}

#[test]
fn what_was_put_is_there_after_the_store_is_opened_again() {
    let (store, directory) = open();
    let root = put(&store, 100);
    drop(store);

    let again = Store::open(directory.path()).unwrap();

    assert!(again.has(&root));
    assert_eq!(dag::read_file(&again, root, 100).unwrap(), made(100));
    assert_eq!(again.scrub().unwrap().broken, []);
}

#[test]
fn a_block_that_changed_on_the_disk_is_an_error_until_it_is_put_again() {
    let (store, directory) = open();
    let block = Block::of(Codec::Raw, &b"hello world"[..]);
    store.put(&block).unwrap();
    fs::write(&files(&directory)[0], b"hello World").unwrap();

    assert!(matches!(store.block(&block.cid()), Err(StoreError::Invalid(_))));
    assert_eq!(store.scrub().unwrap().broken, [block.cid()]);

    store.put(&block).unwrap();
    assert_eq!(store.block(&block.cid()).unwrap(), Some(block));
}

#[test]
fn a_collection_removes_what_no_pin_keeps_and_nothing_else() {
    let (store, _directory) = open();
    let (kept, dropped) = (put(&store, 100), put(&store, 90));
    store.pin(&kept, "one").unwrap();
    store.pin(&dropped, "one").unwrap();
    store.pin(&dropped, "two").unwrap();

    store.unpin(&dropped, "one").unwrap();
    store.collect(later()).unwrap();
    assert_eq!(dag::read_file(&store, dropped, 100).unwrap(), made(90));

    store.unpin(&dropped, "two").unwrap();
    assert!(store.collect(later()).unwrap().removed > 0);
    assert!(!store.has(&dropped));
    assert_eq!(store.pinned().unwrap(), [kept]);
    assert_eq!(dag::read_file(&store, kept, 100).unwrap(), made(100));
    assert_eq!(store.collect(later()).unwrap().removed, 0);
}

#[test]
fn a_block_that_was_put_just_now_is_not_collected_before_it_can_be_pinned() {
    let (store, directory) = open();
    let root = put(&store, 20);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    for file in files(&directory) {
        fs::File::options().append(true).open(file).unwrap().set_modified(long_ago).unwrap();
    }
    // Again by somebody who wants it now.
    put(&store, 20);

    store.collect(long_ago + Duration::from_hours(24)).unwrap();

    store.pin(&root, "now").unwrap();
    assert!(store.is_pinned(&root).unwrap());
}

#[test]
fn a_root_of_which_a_block_is_missing_cannot_be_pinned_and_stops_the_collection() {
    let (store, directory) = open();
    let root = put(&store, 100);
    store.pin(&root, "whole").unwrap();
    let lost = files(&directory).into_iter().find(|file| !file.ends_with(root.to_string()));
    fs::remove_file(lost.unwrap()).unwrap();

    // The root itself may have been the one that was taken away.
    assert!(matches!(store.pin(&root, "again"), Err(StoreError::Missing(_))));
    assert!(matches!(store.collect(later()), Err(StoreError::Missing(_))));
}

#[test]
fn what_a_writer_left_half_done_is_cleared_away() {
    let (store, directory) = open();
    let half = directory.path().join("tmp/half");
    fs::write(&half, b"hel").unwrap();

    store.collect(later()).unwrap();

    assert!(!half.exists());
}

#[test]
fn labels_that_are_paths_are_refused() {
    let (store, _directory) = open();
    let root = put(&store, 10);

    for label in ["", "../x", "a/b", "a b", &"a".repeat(101)] {
        assert!(matches!(store.pin(&root, label), Err(StoreError::InvalidLabel)), "{label}");
    }
}

#[test]
fn versions_and_codecs_share_the_block_of_a_digest() {
    let (store, _directory) = open();
    let node = import(Profile::V0_2015, b"hello").pop().unwrap();
    store.put(&node).unwrap();
    let v1 = content_blocks::Cid::new_v1(Codec::DagPb.code(), *node.cid().hash());

    assert_eq!(store.block(&v1).unwrap().unwrap().bytes(), node.bytes());
    assert_eq!(dag::read_file(&store, v1, 10).unwrap(), b"hello");
}

#[test]
fn many_blocks_and_pins_at_once_are_what_each_of_them_would_be() {
    let (store, directory) = open();
    let blocks: Vec<Block> =
        (0..40_u8).map(|number| Block::of(Codec::Raw, vec![number; 300])).collect();
    let cids: Vec<_> = blocks.iter().map(Block::cid).collect();

    store.keep(&blocks, cids.iter().map(|cid| (cid, "mint-1"))).unwrap();
    // Again: nothing changes.
    store.keep(&blocks, cids.iter().map(|cid| (cid, "mint-1"))).unwrap();

    let again = Store::open(directory.path()).unwrap();
    for block in &blocks {
        assert_eq!(again.block(&block.cid()).unwrap().as_ref(), Some(block));
        assert!(again.is_pinned(&block.cid()).unwrap());
    }
    assert_eq!(files(&directory).len(), 40);
    assert_eq!(again.collect(later()).unwrap().removed, 0);
    let absent = Block::of(Codec::Raw, b"nobody has this".to_vec());
    assert!(store.keep(&blocks, [(&absent.cid(), "mint-1")]).is_err());
}
