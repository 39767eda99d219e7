//! Batches: judgements that another policy or model changed, carried out as decisions of the policy and undone together.
//!
//! ```text
//! RECEIVING ──last part──▶ APPLYING ──all done──▶ APPLIED ──undo──▶ UNDOING ──all done──▶ UNDONE
//! ```
//!
//! A batch comes in parts, each an aggregate of its own that holds the judgements; the batch itself holds how far it is. The
//! program goes through the parts ([`run`]), one transaction per judgement. What it has done it knows from the cases
//! themselves, so that whoever goes on after it was killed does nothing twice.

pub mod aggregate;
pub mod api;
pub mod body;
pub mod part;
pub mod projection;
pub mod run;
pub mod view;
