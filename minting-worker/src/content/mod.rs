//! Posts and comments as far as minting cares: may everybody see them?
//!
//! Content is mintable while its author has it published and moderation has not hidden it. The two are independent: a hidden
//! post can be archived, and restored while archived; it is mintable again only when it is published too.

pub mod reactor;
mod standing;
mod view;
