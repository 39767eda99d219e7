//! What became of decisions: the content's services say what they have hidden and shown.

pub mod projection;
pub mod reactor;
