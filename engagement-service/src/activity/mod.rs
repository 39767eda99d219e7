//! Activity profiles: what a person did, what others did with it, how lively that is, and what the person cares about.
//!
//! # What counts
//!
//! | total | counts |
//! |---|---|
//! | `posts` | posts that were published, each once, however often it was archived and brought back |
//! | `comments` | `comment.added` |
//! | `reactions` | `reaction.added` less `reaction.removed`: reactions that stand |
//! | `views` | `view.counted`: one per post and hour |
//! | `reactions_received` | as `reactions`, of others to the person's posts |
//! | `comments_received` | as `comments`, of others on the person's posts |
//! | `views_received` | as `views`, of others of the person's posts |
//! | `connections` | `connection.established` less `connection.ended`, for both people |
//!
//! What is deleted, archived or hidden later was still done: only taking a reaction back and ending a connection lower a
//! total. Every total is a sum over events and nothing else, so it is the same in whatever order the events of different
//! producers arrive, and the same again after a rebuild.
//!
//! # Score and level
//!
//! [`score`] makes a number from 0 to 100 of the totals when a profile is shown, and
//! [`EngagementLevel`](shared_schemas::notification::EngagementLevel) a word of the number. Time plays no part in it.
//!
//! # Interests
//!
//! [`interest`] weighs what a person says and does per category.

pub mod api;
mod change;
pub mod interest;
pub mod projection;
pub mod score;
pub mod totals;
pub mod view;
