//! Files as trees of blocks.

use bytes::Bytes;
use cid::Cid;

use crate::{
    block::{Block, Codec, cid_v0_of},
    dag_pb::{self, Link},
};

/// How a file is cut into blocks. Every choice changes the CID, so that two who want the same CID take the same profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    chunk: usize,
    fanout: usize,
    leaves: Leaves,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Bytes alone, under CIDs of version 1.
    Raw,
    /// Nodes around the bytes, under CIDs of version 0.
    Nodes,
}

impl Profile {
    /// `unixfs-v1-2025` of IPIP-499: 1 MiB per leaf, 1024 links per node, raw leaves, CIDs of version 1.
    pub const V1_2025: Self = Self { chunk: 1024 * 1024, fanout: 1024, leaves: Leaves::Raw };
    /// What `ipfs add --cid-version=1` did until then: 256 KiB per leaf, 174 links per node, raw leaves.
    pub const V1_LEGACY: Self = Self { chunk: 256 * 1024, fanout: 174, leaves: Leaves::Raw };
    /// `unixfs-v0-2015` of IPIP-499: as [`Self::V1_LEGACY`] with nodes for leaves and CIDs of version 0 (`Qm…`).
    pub const V0_2015: Self = Self { chunk: 256 * 1024, fanout: 174, leaves: Leaves::Nodes };

    /// Raw leaves of `chunk` bytes under nodes of `fanout` links; `None` for an empty leaf or less than two links.
    pub fn raw_leaves(chunk: usize, fanout: usize) -> Option<Self> {
        (chunk > 0 && fanout > 1).then_some(Self { chunk, fanout, leaves: Leaves::Raw })
    }
}

/// Imports a file as it comes. Holds one leaf, and the links of one unfinished node per level of the tree.
pub struct Importer<F> {
    profile: Profile,
    pending: Vec<u8>,
    levels: Vec<Vec<Link>>,
    emit: F,
}

impl<E, F: FnMut(Block) -> Result<(), E>> Importer<F> {
    /// An importer that hands every block to `emit`, children before their parents.
    pub fn new(profile: Profile, emit: F) -> Self {
        Self { profile, pending: Vec::new(), levels: Vec::new(), emit }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    ///
    /// That of `emit`; the import cannot be continued after it.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), E> {
        while !bytes.is_empty() {
            let room = self.profile.chunk - self.pending.len();
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(taken);
            bytes = rest;
            if self.pending.len() == self.profile.chunk {
                self.leaf()?;
            }
        }
        Ok(())
    }

    /// The file is complete: the CID of its root.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<Cid, E> {
        if !self.pending.is_empty() || self.levels.is_empty() {
            self.leaf()?;
        }
        let mut level = 0;
        loop {
            if level + 1 == self.levels.len()
                && let Some([root]) = self.levels.get(level).map(Vec::as_slice)
            {
                return Ok(root.cid);
            }
            self.fold(level)?;
            level += 1;
        }
    }

    fn leaf(&mut self) -> Result<(), E> {
        let bytes = std::mem::take(&mut self.pending);
        let content = length(&bytes);
        let block = match self.profile.leaves {
            Leaves::Raw => Block::of(Codec::Raw, bytes),
            Leaves::Nodes => self.node(dag_pb::leaf(&bytes)),
        };
        let link = Link { cid: block.cid(), total: length(block.bytes()), content };
        (self.emit)(block)?;
        self.add(0, link)
    }

    /// Adds a link. A full level is folded only when one more comes, so that an exact fit gets no needless root.
    fn add(&mut self, level: usize, link: Link) -> Result<(), E> {
        if self.levels.get(level).is_some_and(|links| links.len() == self.profile.fanout) {
            self.fold(level)?;
        }
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        if let Some(links) = self.levels.get_mut(level) {
            links.push(link);
        }
        Ok(())
    }

    fn fold(&mut self, level: usize) -> Result<(), E> {
        let children = self.levels.get_mut(level).map(std::mem::take).unwrap_or_default();
        let block = self.node(dag_pb::branch(&children));
        let below: u64 = children.iter().map(|child| child.total).sum();
        let link = Link {
            cid: block.cid(),
            total: below + length(block.bytes()),
            content: children.iter().map(|child| child.content).sum(),
        };
        (self.emit)(block)?;
        self.add(level + 1, link)
    }

    fn node(&self, bytes: Vec<u8>) -> Block {
        match self.profile.leaves {
            Leaves::Raw => Block::of(Codec::DagPb, bytes),
            Leaves::Nodes => Block::named(cid_v0_of(&bytes), Bytes::from(bytes)),
        }
    }
}

/// Imports bytes that are at hand: the blocks, children before their parents, the root last.
pub fn import(profile: Profile, bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut importer = Importer::new(profile, |block| {
        blocks.push(block);
        Ok::<_, std::convert::Infallible>(())
    });
    let Ok(()) = importer.push(bytes);
    let Ok(_root) = importer.finish();
    blocks
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits into 64 bits")
}
