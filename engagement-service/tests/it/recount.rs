//! Totals counted anew from a history, by nothing but looking at each fact.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use shared_schemas::{
    UserId, comment::CommentEvent, connection::ConnectionEvent, post::PostEvent,
    reaction::ReactionEvent, view::ViewEvent,
};

use crate::history::{Fact, What};

#[derive(Clone, Copy, Default)]
pub(crate) struct Counted {
    posts: i64,
    comments: i64,
    reactions: i64,
    views: i64,
    reactions_received: i64,
    comments_received: i64,
    views_received: i64,
    connections: i64,
}

impl Counted {
    pub(crate) fn to_json(self) -> Value {
        json!({
            "posts": self.posts,
            "comments": self.comments,
            "reactions": self.reactions,
            "views": self.views,
            "reactions_received": self.reactions_received,
            "comments_received": self.comments_received,
            "views_received": self.views_received,
            "connections": self.connections,
        })
    }
}

pub(crate) fn recount(facts: &[Fact]) -> HashMap<UserId, Counted> {
    let mut people: HashMap<UserId, Counted> = HashMap::new();
    let mut posts = HashSet::new();
    for fact in facts {
        match &fact.what {
            What::Post(PostEvent::Published { author_id, .. }) => {
                if posts.insert(fact.id) {
                    people.entry(*author_id).or_default().posts += 1;
                }
            }
            What::Comment(CommentEvent::Added { author_id, post_author_id, .. }) => {
                people.entry(*author_id).or_default().comments += 1;
                if author_id != post_author_id {
                    people.entry(*post_author_id).or_default().comments_received += 1;
                }
            }
            What::Reaction(ReactionEvent::Added { user_id, post_author_id, .. }) => {
                people.entry(*user_id).or_default().reactions += 1;
                if user_id != post_author_id {
                    people.entry(*post_author_id).or_default().reactions_received += 1;
                }
            }
            What::Reaction(ReactionEvent::Removed { user_id, post_author_id, .. }) => {
                people.entry(*user_id).or_default().reactions -= 1;
                if user_id != post_author_id {
                    people.entry(*post_author_id).or_default().reactions_received -= 1;
                }
            }
            What::View(ViewEvent::Counted { viewer_id, post_author_id, .. }) => {
                people.entry(*viewer_id).or_default().views += 1;
                if viewer_id != post_author_id {
                    people.entry(*post_author_id).or_default().views_received += 1;
                }
            }
            What::Connection(ConnectionEvent::Established { initiator_id, other_id }) => {
                people.entry(*initiator_id).or_default().connections += 1;
                people.entry(*other_id).or_default().connections += 1;
            }
            What::Connection(ConnectionEvent::Ended { ended_by, other_id }) => {
                people.entry(*ended_by).or_default().connections -= 1;
                people.entry(*other_id).or_default().connections -= 1;
            }
            What::Key(_)
            | What::Mint(_)
            | What::User(_)
            | What::Post(
                PostEvent::Drafted { .. }
                | PostEvent::DraftEdited { .. }
                | PostEvent::DraftDeleted {}
                | PostEvent::Edited { .. }
                | PostEvent::Archived {}
                | PostEvent::Deleted {}
                | PostEvent::Hidden { .. }
                | PostEvent::Restored { .. },
            )
            | What::Comment(
                CommentEvent::Edited { .. }
                | CommentEvent::Deleted { .. }
                | CommentEvent::Hidden { .. }
                | CommentEvent::Restored { .. },
            )
            | What::Reaction(ReactionEvent::Changed { .. }) => (),
        }
    }
    people
}
