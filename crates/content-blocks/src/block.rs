//! Blocks and their names.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use cid::{Cid, Version, multihash::Multihash};

/// The multihash code of SHA-2 with 256 bits, the only hash function that is computed here.
pub const SHA2_256: u64 = 0x12;

/// The multihash code under which a CID carries its few bytes itself.
const IDENTITY: u64 = 0x00;

/// The longest block that travels: what other implementations exchange with each other at most.
pub const MAX_BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// What the bytes of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Bytes without any structure: a leaf.
    Raw,
    /// A Protobuf node with links to other blocks.
    DagPb,
}

impl Codec {
    /// Its code in the table of multicodecs.
    pub fn code(self) -> u64 {
        match self {
            Self::Raw => 0x55,
            Self::DagPb => 0x70,
        }
    }

    /// The codec of a CID; `None` for any that this crate does not read.
    pub fn of(cid: &Cid) -> Option<Self> {
        [Self::Raw, Self::DagPb].into_iter().find(|codec| codec.code() == cid.codec())
    }
}

/// Why bytes are not the block of a CID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// The bytes are others than those that were named.
    #[error("the bytes of {named} hash to {actual}")]
    DifferentBytes {
        /// The CID that was asked for.
        named: Box<Cid>,
        /// The CID that the bytes have.
        actual: Box<Cid>,
    },
    /// Nothing here can say whether the bytes are the right ones.
    #[error("{0} has a hash function other than SHA-256 and identity")]
    UnknownHash(Cid),
    /// Longer than what can be exchanged.
    #[error("a block of {0} bytes is longer than {MAX_BLOCK_BYTES}")]
    TooLong(usize),
    /// Its links cannot be followed.
    #[error("{0} has a codec other than raw and dag-pb")]
    UnknownCodec(Cid),
    /// The node cannot be read.
    #[error("the node {0} is malformed: {1}")]
    Malformed(Cid, &'static str),
}

/// Bytes and the CID that they hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    bytes: Bytes,
}

impl Block {
    /// A block under the CID (version 1) of its bytes.
    pub fn of(codec: Codec, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { cid: cid_of(codec, &bytes), bytes }
    }

    /// Bytes that came from elsewhere under a name.
    ///
    /// # Errors
    ///
    /// [`InvalidBlock`] if they do not hash to it, or nobody can say.
    pub fn verified(cid: Cid, bytes: impl Into<Bytes>) -> Result<Self, InvalidBlock> {
        let bytes = bytes.into();
        verify(&cid, &bytes)?;
        Ok(Self { cid, bytes })
    }

    /// The bytes that a CID carries in itself (hash function `identity`); `None` for every other CID.
    pub fn inline(cid: Cid) -> Option<Self> {
        let bytes =
            (cid.hash().code() == IDENTITY).then(|| Bytes::copy_from_slice(cid.hash().digest()))?;
        Some(Self { cid, bytes })
    }

    /// Its name.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// What it holds.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it holds, without the name.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    pub(crate) fn named(cid: Cid, bytes: Bytes) -> Self {
        Self { cid, bytes }
    }
}

/// The SHA-256 digest of bytes.
pub fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// The CID (version 1) of a raw block with this SHA-256 digest.
pub fn raw_cid(digest: &[u8; 32]) -> Cid {
    Cid::new_v1(Codec::Raw.code(), wrap(digest))
}

/// The CID (version 1) of a block.
pub fn cid_of(codec: Codec, bytes: &[u8]) -> Cid {
    Cid::new_v1(codec.code(), wrap(&digest_of(bytes)))
}

/// The CID (version 0) of a node.
pub(crate) fn cid_v0_of(node: &[u8]) -> Cid {
    Cid::new_v0(wrap(&digest_of(node))).expect("a SHA-256 digest can be named by version 0")
}

fn wrap(digest: &[u8; 32]) -> Multihash<64> {
    Multihash::wrap(SHA2_256, digest).expect("32 bytes fit into 64")
}

fn verify(cid: &Cid, bytes: &[u8]) -> Result<(), InvalidBlock> {
    if bytes.len() > MAX_BLOCK_BYTES {
        return Err(InvalidBlock::TooLong(bytes.len()));
    }
    let actual = match cid.hash().code() {
        SHA2_256 if cid.hash().size() == 32 => wrap(&digest_of(bytes)),
        IDENTITY => Multihash::wrap(IDENTITY, bytes).unwrap_or_default(),
        _ => return Err(InvalidBlock::UnknownHash(*cid)),
    };
    if actual == *cid.hash() {
        return Ok(());
    }
    let actual = match cid.version() {
        Version::V0 => Cid::new_v0(actual).unwrap_or(*cid),
        Version::V1 => Cid::new_v1(cid.codec(), actual),
    };
    Err(InvalidBlock::DifferentBytes { named: Box::new(*cid), actual: Box::new(actual) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cid_of_nothing_and_of_hello_are_the_ones_that_everybody_knows() {
        let empty = cid_of(Codec::Raw, b"");
        let hello = cid_of(Codec::Raw, b"hello world");

        assert_eq!(
            empty.to_string(),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        );
        assert_eq!(
            hello.to_string(),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
        );
    }

    #[test]
    fn bytes_under_a_wrong_name_are_refused() {
        let cid = cid_of(Codec::Raw, b"hello world");

        assert!(Block::verified(cid, &b"hello world"[..]).is_ok());
        let refused = Block::verified(cid, &b"hello World"[..]).unwrap_err();
        assert!(matches!(refused, InvalidBlock::DifferentBytes { named, .. } if *named == cid));
    }

    #[test]
    fn a_hash_function_that_is_not_computed_here_vouches_for_nothing() {
        let blake = Cid::new_v1(0x55, Multihash::wrap(0xb220, &[7; 32]).unwrap());

        assert_eq!(Block::verified(blake, &b"x"[..]), Err(InvalidBlock::UnknownHash(blake)));
        let short = Cid::new_v1(0x55, Multihash::wrap(SHA2_256, &[7; 20]).unwrap());
        assert_eq!(Block::verified(short, &b"x"[..]), Err(InvalidBlock::UnknownHash(short)));
    }

    #[test]
    fn a_cid_can_carry_its_bytes() {
        let cid: Cid = "bafkqablimvwgy3y".parse().unwrap();

        assert_eq!(Block::inline(cid).unwrap().bytes().as_ref(), b"hello");
        assert!(Block::verified(cid, &b"hello"[..]).is_ok());
        assert!(Block::verified(cid, &b"hallo"[..]).is_err());
        assert_eq!(Block::inline(cid_of(Codec::Raw, b"hello")), None);
    }
}
