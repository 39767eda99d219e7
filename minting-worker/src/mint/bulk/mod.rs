//! Many mints that move in one transaction: a batch that is signed, sent, mined or final.

pub(super) mod projection;
