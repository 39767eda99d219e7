//! Archives come back as they were written, and hostile ones are refused.

use std::convert::Infallible;

use content_blocks::{Block, Codec, Profile, car, import};
use proptest::prelude::*;

use crate::made;

fn archive(blocks: &[Block]) -> Vec<u8> {
    let root = blocks.last().unwrap().cid();
    car::write(&[root], blocks.iter().cloned().map(Ok::<_, Infallible>)).unwrap()
}

fn read(bytes: &[u8]) -> Result<Vec<Block>, car::CarError> {
    car::Reader::open(bytes)?.collect()
}

#[test]
fn an_archive_of_one_block_has_the_bytes_of_the_standard() {
    let block = Block::of(Codec::Raw, &b"hello world"[..]);
    let cid = block.cid().to_bytes();
    let mut expected = vec![0x3a, 0xa2, 0x65];
    expected.extend(b"roots");
    expected.extend([0x81, 0xd8, 0x2a, 0x58, 0x25, 0x00]);
    expected.extend(&cid);
    expected.push(0x67);
    expected.extend(b"version");
    expected.push(1);
    expected.push(47);
    expected.extend(&cid);
    expected.extend(b"hello world");

    assert_eq!(archive(&[block]), expected);
}

#[test]
fn many_roots_come_back() {
    let blocks: Vec<Block> =
        (0..300u32).map(|at| Block::of(Codec::Raw, at.to_be_bytes().to_vec())).collect();
    let roots: Vec<_> = blocks.iter().map(Block::cid).collect();
    let bytes = car::write(&roots, blocks.iter().cloned().map(Ok::<_, Infallible>)).unwrap();

    let mut reader = car::Reader::open(bytes.as_slice()).unwrap();

    assert_eq!(reader.roots(), roots);
    assert_eq!(reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap(), blocks);
    assert_eq!(car::Reader::open(&car::header(&[])[..]).unwrap().roots(), []);
}

#[test]
fn a_changed_block_is_refused() {
    let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(50));
    let mut bytes = archive(&blocks);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;

    assert!(matches!(read(&bytes), Err(car::CarError::Invalid(_))));
}

#[test]
fn a_length_that_no_archive_has_is_refused_without_reading_on() {
    let mut bytes = archive(&import(Profile::V1_2025, b"x"));
    bytes.extend([0xff; 9]);
    assert!(matches!(read(&bytes), Err(car::CarError::Malformed(_))));
    assert!(matches!(read(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Err(car::CarError::Malformed(_))));
    assert!(matches!(read(&[]), Err(car::CarError::Malformed(_))));
}

proptest! {
    #[test]
    fn every_archive_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &bytes);

        prop_assert_eq!(read(&archive(&blocks)).unwrap(), blocks);
    }

    #[test]
    fn an_archive_that_is_cut_off_is_no_archive(size in 0usize..200, cut in 0.0..1.0f64) {
        let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(size));
        let whole = archive(&blocks);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "within the length")]
        let kept = (whole.len() as f64 * cut) as usize;
        if let Ok(found) = read(&whole[..kept]) {
            // Cut between two sections: shorter, never wrong.
            prop_assert_eq!(&found[..], &blocks[..found.len()]);
            prop_assert!(found.len() < blocks.len());
        }
    }

    #[test]
    fn bytes_from_anywhere_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(read(&bytes));
        drop(content_blocks::dag::children(&Block::of(Codec::DagPb, bytes)));
    }
}
