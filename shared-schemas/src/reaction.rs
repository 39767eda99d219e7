//! What can happen to the reaction of one person to one post. Recorded by interaction-service.

use serde::{Deserialize, Serialize};

use crate::{Event, PostId, Service, UserId, choice::choices, post::Category};

choices! {
    /// How a person feels about a post.
    ReactionKind {
        /// Likes it.
        Like = "LIKE",
        /// Loves it.
        Love = "LOVE",
        /// Is angry about it.
        Angry = "ANGRY",
        /// Is sad about it.
        Sad = "SAD",
        /// Finds it funny.
        Funny = "FUNNY",
        /// Is glad about it.
        Joy = "JOY",
    }
}

/// A fact about one reaction; its id is [`ReactionId::of`](crate::ReactionId::of) the person and the post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum ReactionEvent {
    /// The person reacted, for the first time or again after a removal.
    #[serde(rename = "reaction.added.v1")]
    Added {
        /// The post.
        post_id: PostId,
        /// Who wrote the post.
        post_author_id: UserId,
        /// What the post is about.
        category: Category,
        /// Who reacted.
        user_id: UserId,
        /// How.
        kind: ReactionKind,
    },
    /// The person changed the reaction.
    #[serde(rename = "reaction.changed.v1")]
    Changed {
        /// The post.
        post_id: PostId,
        /// Who reacted.
        user_id: UserId,
        /// What it was.
        from: ReactionKind,
        /// What it is.
        to: ReactionKind,
    },
    /// The person took the reaction back.
    #[serde(rename = "reaction.removed.v1")]
    Removed {
        /// The post.
        post_id: PostId,
        /// Who wrote the post.
        post_author_id: UserId,
        /// What the post is about.
        category: Category,
        /// Who had reacted.
        user_id: UserId,
        /// What it was.
        kind: ReactionKind,
    },
}

impl Event for ReactionEvent {
    const CATEGORY: &'static str = "reaction";
    const SERVICE: Service = Service::Interaction;
}
