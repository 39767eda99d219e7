//! A case: content whose analysis asks for a decision, and every decision taken about it.
//!
//! The policy may decide at once, a moderator at any time. A decision is a request to the content's service, which carries it
//! out and says so; that confirms it. What is decided and confirmed before stays on record when somebody decides anew.
//!
//! ```text
//! OPENED ──DISMISS──▶ DISMISSED
//!    │                    │
//!    └───────DELETE───────┴──▶ DELETE_REQUESTED ──hidden──▶ DELETE_CONFIRMED
//!                                   ▲     └──────RESTORE──────┬─────┘
//!                                DELETE                       ▼
//!                                   └── RESTORE_CONFIRMED ◀──restored── RESTORE_REQUESTED
//! ```
//!
//! A moderator claims a case before deciding it ([`review`]); the author appeals against a removal once ([`appeal`]).

pub mod aggregate;
pub mod api;
pub mod appeal;
pub mod batch;
pub mod body;
pub mod decide;
pub mod priority;
pub mod projection;
pub mod review;
pub mod view;
