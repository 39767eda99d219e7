//! The gateway on real sockets: peers that answer, hang or are gone behind it, a real Redis, tokens of a real key.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::disallowed_methods,
    reason = "what a test spawns ends with it, and its ids order nothing"
)]

mod documents;
mod events;
mod failures;
mod forwarding;
mod limits;
mod rate_limit;
mod setup;
