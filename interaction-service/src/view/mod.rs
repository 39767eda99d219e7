//! A view: that a person saw a post.
//!
//! It counts once per person, post and hour. Nobody asks this service for views, so it keeps no read model of them:
//! others count the events.

pub mod aggregate;
pub mod api;
