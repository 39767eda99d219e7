//! CIDs, archives and stores, against what other implementations say.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod car;
mod cids;
mod gateway;
mod helia;
mod store;

use content_blocks::{Block, Cid, Profile, Source, StoreError};

/// The file that the vectors are of.
pub(crate) fn made(size: usize) -> Vec<u8> {
    let size = u32::try_from(size).unwrap();
    (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

pub(crate) fn profile(name: &str) -> Profile {
    match name {
        "V1_2025" => Profile::V1_2025,
        "V1_LEGACY" => Profile::V1_LEGACY,
        "V0_2015" => Profile::V0_2015,
        other => panic!("{other}"),
    }
}

/// The CID of a file, without keeping its blocks.
pub(crate) fn cid(profile: Profile, bytes: &[u8]) -> Cid {
    let mut importer =
        content_blocks::Importer::new(profile, |_| Ok::<_, std::convert::Infallible>(()));
    importer.push(bytes).unwrap();
    importer.finish().unwrap()
}

/// Blocks that are at hand.
#[derive(Debug)]
pub(crate) struct Few(pub(crate) Vec<Block>);

impl Source for Few {
    fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        Ok(self.0.iter().find(|block| block.cid() == *cid).cloned())
    }
}
