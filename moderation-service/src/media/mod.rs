//! Images that the operator knows, and whether one of them is shown.
//!
//! An entry of the list names an image by the SHA-256 of its file, by its perceptual hash, or both. Images are hashed and never kept:
//! nobody has to look at one to find it again, and there is nothing to leak. What is found opens a case like any other finding.

pub mod aggregate;
pub mod api;
pub mod body;
pub mod hash;
pub mod projection;
pub mod view;
