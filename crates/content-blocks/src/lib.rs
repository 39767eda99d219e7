//! Content-addressed blocks: the CID of a file computed here equals the one that any other implementation computes.
//!
//! - [`Block`]: bytes with the [`Cid`] that they hash to, checked when it is made.
//! - [`Importer`]: a file as a balanced tree of blocks (`UnixFS`), under the import settings of a [`Profile`].
//! - [`dag`]: walks through such trees, and files read back from them.
//! - [`car`]: archives of blocks (`CARv1`), written and read.
//! - [`Store`]: blocks in a directory, written atomically, verified whenever they are read, kept by pins.
//! - [`gateway`]: answers to `GET /ipfs/{cid}` that a client can verify by itself.
//! - [`canonical`]: JSON in the one spelling that RFC 8785 gives it, since a CID is of bytes.
//!
//! Nothing here reaches the network; only [`Store`] touches anything at all.

mod block;
pub mod canonical;
pub mod car;
pub mod dag;
mod dag_pb;
pub mod gateway;
mod import;
mod store;
mod varint;

pub use block::{
    Block, Codec, InvalidBlock, MAX_BLOCK_BYTES, SHA2_256, cid_of, digest_of, raw_cid,
};
pub use cid::Cid;
pub use import::{Importer, Profile, import};
pub use store::{Collected, Scrubbed, Source, Store, StoreError};
