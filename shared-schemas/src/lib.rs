//! The contract between the services: ids, value types, events and their envelope. No I/O.
//!
//! Rules of the contract:
//!
//! - An event's wire name is `<aggregate>.<past tense>.v<N>`. A field with a serde default may be added; anything
//!   else is the next version plus an arm in [`Event::upcast`].
//! - A payload never repeats the envelope (aggregate id, actor, time) and never carries a secret, an address or a name: it carries ids.
//! - `golden/` holds one file per wire form ever written. It is append-only, and every file must decode for ever.

pub mod choice;
pub mod clearance;
pub mod comment;
pub mod connection;
pub mod consent;
pub mod envelope;
pub mod event;
pub mod id;
pub mod lane;
pub mod mint;
pub mod moderation;
pub mod notification;
pub mod post;
pub mod reaction;
pub mod service;
pub mod session;
pub mod signing_key;
pub mod standing;
pub mod user;
pub mod view;
pub mod wallet;

pub use event::{DecodeError, Event, RawEvent};
pub use id::{
    BatchId, CaseId, ClearanceId, CommentId, ConnectionId, EventId, LaneId, MintId, NotificationId,
    PostId, ReactionId, SanctionId, SessionId, SigningKeyId, UserId, ViewId,
};
pub use service::Service;
