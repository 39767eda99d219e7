//! Versions of the analyser: rules, policy and model together, from their proposal to their end.
//!
//! ```text
//! proposed ──▶ in shadow ──▶ active ──▶ retired      by a later version
//!     └───────────────────────▶ │ ────▶ rolled back  by hand, or because its flag rate left its band
//! ```
//!
//! Which version is active follows from events of one aggregate, [`Versions`](aggregate::Versions). Whoever judges asks in the
//! transaction of the judgement, under a lock that a promotion waits for: before the promotion everything is judged by the one
//! version and after it by the other, whichever instance judges.

pub mod aggregate;
pub mod analysers;
pub mod api;
pub mod band;
pub mod body;
pub mod files;
pub mod lifecycle;
pub mod projection;
pub mod shadow;
pub mod view;
pub mod watch;
