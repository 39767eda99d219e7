//! Posts and comments as far as minting cares: may everybody see them, and does their author want a token of them?
//!
//! Content is mintable while its author has it published and moderation has not hidden it. The two are independent: a hidden
//! post can be archived, and restored while archived; it is mintable again only when it is published too. It is minted when its
//! author agreed and has a wallet, no case about it is open or decided against it, moderation has said that its present text may stand,
//! and that text has stood for a while.

pub mod decide;
pub mod due;
mod heard;
pub mod reactor;
mod remember;
mod standing;
pub mod view;
