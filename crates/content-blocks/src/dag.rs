//! Walks through trees of blocks.

use std::collections::HashSet;

use bytes::Bytes;
use cid::Cid;

use crate::{
    block::{Block, Codec, InvalidBlock},
    dag_pb,
    store::{Source, StoreError},
};

/// Every block below a root and the root itself, depth first, in the order of the links, each once.
pub struct Walk<S> {
    source: S,
    next: Vec<Cid>,
    seen: HashSet<Cid>,
}

impl<S: Source> Walk<S> {
    /// A walk from several roots.
    pub fn new(source: S, roots: impl IntoIterator<Item = Cid>) -> Self {
        let mut next: Vec<Cid> = roots.into_iter().collect();
        next.reverse();
        Self { source, next, seen: HashSet::new() }
    }

    fn step(&mut self, cid: Cid) -> Result<Block, StoreError> {
        let block = fetch(&self.source, cid)?;
        let mut children = children(&block)?;
        children.reverse();
        self.next.append(&mut children);
        Ok(block)
    }
}

impl<S: Source> Iterator for Walk<S> {
    type Item = Result<Block, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cid = loop {
            let cid = self.next.pop()?;
            if self.seen.insert(cid) {
                break cid;
            }
        };
        let step = self.step(cid);
        if step.is_err() {
            self.next.clear();
        }
        Some(step)
    }
}

/// The blocks that a block links to.
///
/// # Errors
///
/// [`InvalidBlock`] if it is a node that cannot be read, or of a codec that nothing here reads.
pub fn children(block: &Block) -> Result<Vec<Cid>, InvalidBlock> {
    Ok(node(block)?.links)
}

/// A whole file.
///
/// # Errors
///
/// [`StoreError`] if a block is missing, broken or no part of a file, or the file is longer than `limit` bytes.
pub fn read_file(source: &impl Source, root: Cid, limit: usize) -> Result<Vec<u8>, StoreError> {
    let mut file = Vec::new();
    // Without the set of what was seen: a file may repeat itself.
    let mut next = vec![root];
    // A file has more leaves than nodes over them; a tree of empty nodes could go on for ever.
    let mut steps = limit.saturating_mul(2).saturating_add(16);
    while let Some(cid) = next.pop() {
        steps = steps.checked_sub(1).ok_or(StoreError::TooLong { root, limit })?;
        let block = fetch(source, cid)?;
        let node = node(&block)?;
        if !node.is_file {
            return Err(InvalidBlock::Malformed(cid, "it is no part of a file").into());
        }
        if file.len() + node.inline.len() > limit {
            return Err(StoreError::TooLong { root, limit });
        }
        file.extend_from_slice(&node.inline);
        next.extend(node.links.into_iter().rev());
    }
    Ok(file)
}

fn fetch(source: &impl Source, cid: Cid) -> Result<Block, StoreError> {
    match Block::inline(cid) {
        Some(block) => Ok(block),
        None => source.block(&cid)?.ok_or(StoreError::Missing(cid)),
    }
}

fn node(block: &Block) -> Result<dag_pb::Node, InvalidBlock> {
    match Codec::of(&block.cid()) {
        Some(Codec::DagPb) => dag_pb::read(block.bytes())
            .map_err(|reason| InvalidBlock::Malformed(block.cid(), reason)),
        Some(Codec::Raw) => Ok(dag_pb::Node {
            links: Vec::new(),
            inline: Bytes::clone(block.bytes()),
            is_file: true,
        }),
        None => Err(InvalidBlock::UnknownCodec(block.cid())),
    }
}
