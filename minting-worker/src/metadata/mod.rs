//! What a token says: a canonical JSON document in the shape of ERC-1155 metadata, and a picture.
//!
//! Both are single raw blocks, so that the CID of each is the digest of its bytes. By default the document holds no word of the
//! content: a salted digest lets its author prove the text, and nobody else find it out.

pub mod api;
pub mod card;
pub mod document;
pub mod view;
