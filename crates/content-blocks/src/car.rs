//! Archives of blocks (`CARv1`): a header with the roots, then one section for each block.

use std::io::{ErrorKind, Read};

use bytes::Bytes;
use cid::Cid;

use crate::{
    block::{Block, InvalidBlock, MAX_BLOCK_BYTES},
    varint,
};

/// The longest header that is read, in bytes: some 25,000 roots.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;

/// A CID is at most this long here: its own numbers and a digest of 64 bytes.
const MAX_CID_BYTES: usize = 128;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CarError {
    /// The archive cannot be read to its end.
    #[error("the archive cannot be read")]
    Io(#[from] std::io::Error),
    /// It is no archive of this form.
    #[error("the archive is malformed: {0}")]
    Malformed(&'static str),
    /// A block is not the one that its name says.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
}

/// The beginning of an archive.
pub fn header(roots: &[Cid]) -> Bytes {
    let mut cbor = vec![0xa2];
    text(&mut cbor, "roots");
    head(&mut cbor, ARRAY, roots.len());
    for root in roots {
        let bytes = root.to_bytes();
        cbor.extend([0xd8, LINK_TAG]);
        head(&mut cbor, BYTES, bytes.len() + 1);
        cbor.push(0);
        cbor.extend(bytes);
    }
    text(&mut cbor, "version");
    cbor.push(1);
    prefixed(&[&cbor])
}

/// One block in an archive.
pub fn section(block: &Block) -> Bytes {
    prefixed(&[&block.cid().to_bytes(), block.bytes()])
}

/// A whole archive.
///
/// # Errors
///
/// That of the first block which is not at hand.
pub fn write<E>(
    roots: &[Cid],
    blocks: impl IntoIterator<Item = Result<Block, E>>,
) -> Result<Vec<u8>, E> {
    let mut archive = header(roots).to_vec();
    for block in blocks {
        archive.extend(section(&block?));
    }
    Ok(archive)
}

/// Reads an archive block by block, and verifies each.
pub struct Reader<R> {
    from: R,
    roots: Vec<Cid>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`CarError`] if there is none.
    pub fn open(mut from: R) -> Result<Self, CarError> {
        let length = length(&mut from)?.ok_or(CarError::Malformed("it is empty"))?;
        if length > MAX_HEADER_BYTES {
            return Err(CarError::Malformed("its header is too long"));
        }
        let cbor = exactly(&mut from, length)?;
        let roots = read_header(&cbor)
            .ok_or(CarError::Malformed("its header names no roots of version 1"))?;
        Ok(Self { from, roots })
    }

    /// What the archive is of.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    fn section(&mut self) -> Result<Option<Block>, CarError> {
        let Some(length) = length(&mut self.from)? else { return Ok(None) };
        if length > u64::try_from(MAX_BLOCK_BYTES + MAX_CID_BYTES).unwrap_or(u64::MAX) {
            return Err(CarError::Malformed("a section is too long"));
        }
        let bytes = Bytes::from(exactly(&mut self.from, length)?);
        let mut rest: &[u8] = &bytes;
        let cid = Cid::read_bytes(&mut rest)
            .or(Err(CarError::Malformed("a section does not begin with a CID")))?;
        Ok(Some(Block::verified(cid, bytes.slice_ref(rest))?))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Block, CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.section().transpose()
    }
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// The tag of a CID in CBOR.
const LINK_TAG: u8 = 42;

fn text(cbor: &mut Vec<u8>, text: &str) {
    head(cbor, TEXT, text.len());
    cbor.extend(text.as_bytes());
}

fn head(cbor: &mut Vec<u8>, kind: u8, length: usize) {
    let kind = kind << 5;
    if let Ok(short @ 0..24) = u8::try_from(length) {
        cbor.push(kind | short);
    } else if let Ok(one) = u8::try_from(length) {
        cbor.extend([kind | 0x18, one]);
    } else if let Ok(two) = u16::try_from(length) {
        cbor.push(kind | 0x19);
        cbor.extend(two.to_be_bytes());
    } else {
        cbor.push(kind | 0x1a);
        cbor.extend(u32::try_from(length).expect("a header is short").to_be_bytes());
    }
}

fn prefixed(parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 4);
    varint::write(&mut out, u64::try_from(length).expect("a length fits into 64 bits"));
    for part in parts {
        out.extend_from_slice(part);
    }
    out.into()
}

/// The length of what comes next; `None` at the end.
fn length(from: &mut impl Read) -> Result<Option<u64>, CarError> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        match from.read(&mut byte) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => return Err(CarError::Malformed("it is cut off in a length")),
            Ok(_) => bytes.extend(byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        let [.., last] = bytes.as_slice() else { continue };
        if last & 0x80 == 0 {
            let length = varint::read(&mut bytes.as_slice());
            return length.map(Some).ok_or(CarError::Malformed("a length is too great"));
        }
        if bytes.len() >= 10 {
            return Err(CarError::Malformed("a length is too great"));
        }
    }
}

fn exactly(from: &mut impl Read, length: u64) -> Result<Vec<u8>, CarError> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()) == Ok(length) {
        Ok(bytes)
    } else {
        Err(CarError::Malformed("it is cut off in a section"))
    }
}

fn read_header(mut cbor: &[u8]) -> Option<Vec<Cid>> {
    let cbor = &mut cbor;
    let (MAP, entries) = read_head(cbor)? else { return None };
    let (mut roots, mut version) = (None, None);
    for _ in 0..entries {
        let (TEXT, length) = read_head(cbor)? else { return None };
        match varint::take(cbor, length)? {
            b"roots" => roots = Some(read_roots(cbor)?),
            b"version" => version = Some(read_head(cbor)?),
            _ => return None,
        }
    }
    let is_read = version == Some((0, 1)) && cbor.is_empty();
    roots.filter(|_| is_read)
}

fn read_roots(cbor: &mut &[u8]) -> Option<Vec<Cid>> {
    let (ARRAY, count) = read_head(cbor)? else { return None };
    let mut roots = Vec::new();
    for _ in 0..count {
        if read_head(cbor)? != (TAG, u64::from(LINK_TAG)) {
            return None;
        }
        let (BYTES, length) = read_head(cbor)? else { return None };
        let [0, cid @ ..] = varint::take(cbor, length)? else { return None };
        roots.push(Cid::try_from(cid).ok()?);
    }
    Some(roots)
}

/// The kind of the next item, and its number or length.
fn read_head(cbor: &mut &[u8]) -> Option<(u8, u64)> {
    let (first, rest) = cbor.split_first()?;
    *cbor = rest;
    let more = match first & 31 {
        short @ 0..24 => return Some((first >> 5, u64::from(short))),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let bytes = varint::take(cbor, more)?;
    let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((first >> 5, number))
}
