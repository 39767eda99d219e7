//! Notifications: what a person is told, because of what others did or the platform decided.
//!
//! | because of | told | as |
//! |---|---|---|
//! | `reaction.added` | the post's author | `POST_REACTION_RECEIVED` |
//! | `comment.added` | the post's author, and the author of the comment it answers | `POST_COMMENT_RECEIVED` |
//! | `connection.established` | the person who was asked | `USER_CONNECTED` |
//! | `post.hidden`, `comment.hidden` | the author | `SYSTEM_MESSAGE` with `DELETE` |
//! | `post.restored`, `comment.restored` | the author | `SYSTEM_MESSAGE` with `RESTORE` |
//! | `case.appeal_resolved` | the author | `SYSTEM_MESSAGE` with `UPHELD` or `OVERTURNED` |
//! | `standing.restricted` | the person | `SYSTEM_MESSAGE` with the status of the account |
//!
//! Nobody is told of one's own acts. A moderation outcome is told when the content has in fact been hidden or brought back,
//! not when it is decided. The id of a notification follows from its event and its recipient, so there is one, however often
//! the event arrives.

pub mod aggregate;
pub mod api;
pub mod message;
mod notice;
pub mod projection;
pub mod reactor;
pub mod view;
