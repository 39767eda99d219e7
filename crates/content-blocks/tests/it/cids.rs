//! The CID of a file is the one that Helia gives it.

use std::fmt::Write as _;

use content_blocks::{Profile, StoreError, dag, digest_of, import};
use proptest::prelude::*;
use serde_json::Value;

use crate::{Few, cid, made, profile};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

#[test]
fn files_from_nothing_to_50_megabytes_have_the_cids_that_helia_gave_them() {
    let vectors = vectors();
    let largest = made(50 * 1024 * 1024);
    let files = vectors["files"].as_array().unwrap();
    assert_eq!(files.len(), 33);

    for file in files {
        let size = usize::try_from(file["size"].as_u64().unwrap()).unwrap();
        let found = cid(profile(file["profile"].as_str().unwrap()), &largest[..size]);
        assert_eq!(found.to_string(), file["cid"], "{file}");
    }
}

#[test]
fn trees_of_many_levels_have_the_cids_that_helia_gave_them() {
    for tree in vectors()["trees"].as_array().unwrap() {
        let number = |name: &str| usize::try_from(tree[name].as_u64().unwrap()).unwrap();
        let profile = Profile::raw_leaves(number("chunk"), number("fanout")).unwrap();

        let mut lines = String::new();
        for size in 0..number("sizes") {
            writeln!(lines, "{}", cid(profile, &made(size))).unwrap();
        }

        assert_eq!(lines.lines().last().unwrap(), tree["last"]);
        let mut digest = String::new();
        for byte in digest_of(lines.as_bytes()) {
            write!(digest, "{byte:02x}").unwrap();
        }
        assert_eq!(digest, tree["sha256_of_lines"], "{tree}");
    }
}

#[test]
fn the_last_block_is_the_root() {
    let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(100));

    assert_eq!(blocks.last().unwrap().cid(), cid(Profile::raw_leaves(7, 3).unwrap(), &made(100)));
}

#[test]
fn a_file_that_is_longer_than_wanted_is_refused_before_it_is_read() {
    let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(100));
    let root = blocks.last().unwrap().cid();

    let refused = dag::read_file(&Few(blocks.clone()), root, 99);
    assert!(matches!(refused, Err(StoreError::TooLong { limit: 99, .. })), "{refused:?}");
    assert_eq!(dag::read_file(&Few(blocks), root, 100).unwrap(), made(100));
}

#[test]
fn a_file_with_a_missing_block_is_not_read() {
    let mut blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(100));
    let root = blocks.last().unwrap().cid();
    let lost = blocks.remove(4).cid();

    let refused = dag::read_file(&Few(blocks), root, 1000);
    assert!(matches!(refused, Err(StoreError::Missing(cid)) if cid == lost), "{refused:?}");
}

#[test]
fn a_profile_that_cannot_hold_anything_is_none() {
    assert_eq!(Profile::raw_leaves(0, 3), None);
    assert_eq!(Profile::raw_leaves(7, 1), None);
}

proptest! {
    #[test]
    fn a_file_comes_back_whatever_its_tree(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), chunk in 1usize..40, fanout in 2usize..6,
    ) {
        let blocks = import(Profile::raw_leaves(chunk, fanout).unwrap(), &bytes);
        let root = blocks.last().unwrap().cid();

        prop_assert_eq!(dag::read_file(&Few(blocks), root, bytes.len()).unwrap(), bytes);
    }

    #[test]
    fn the_pieces_in_which_a_file_arrives_do_not_matter(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), cuts in proptest::collection::vec(1usize..50, 0..20),
    ) {
        let profile = Profile::raw_leaves(16, 2).unwrap();
        let mut importer = content_blocks::Importer::new(profile, |_| Ok::<_, std::convert::Infallible>(()));
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            importer.push(piece).unwrap();
            rest = after;
        }
        importer.push(rest).unwrap();

        prop_assert_eq!(importer.finish().unwrap(), cid(profile, &bytes));
    }

    #[test]
    fn nodes_for_leaves_hold_the_file_too(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let blocks = import(Profile::V0_2015, &bytes);
        let root = blocks.last().unwrap().cid();

        prop_assert!(root.to_string().starts_with("Qm"));
        prop_assert_eq!(dag::read_file(&Few(blocks), root, bytes.len()).unwrap(), bytes);
    }
}
