//! What can happen to a comment. Recorded by interaction-service.

use serde::{Deserialize, Serialize};

use crate::{CaseId, CommentId, Event, PostId, Service, UserId, post::Category};

/// A fact about one comment. It names the post and its author, so that a reader needs no knowledge of posts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum CommentEvent {
    /// Somebody commented on a post or answered a comment.
    #[serde(rename = "comment.added.v1")]
    Added {
        /// The post.
        post_id: PostId,
        /// Who wrote the post.
        post_author_id: UserId,
        /// What the post is about.
        category: Category,
        /// Who wrote the comment.
        author_id: UserId,
        /// The comment this one answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_id: Option<CommentId>,
        /// Who wrote the comment this one answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_author_id: Option<UserId>,
        /// Plain text, 1 to 2 000 Unicode scalar values, NFC.
        body: String,
        /// Whether the author wants a token of it, if the author said so for this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mint: Option<bool>,
    },
    /// The author changed the text.
    #[serde(rename = "comment.edited.v1")]
    Edited {
        /// The post.
        post_id: PostId,
        /// Who wrote the comment.
        author_id: UserId,
        /// As in [`Self::Added`].
        body: String,
    },
    /// The author deleted the comment; answers to it stay.
    #[serde(rename = "comment.deleted.v1")]
    Deleted {
        /// The post.
        post_id: PostId,
        /// Who wrote the comment.
        author_id: UserId,
        /// Whether moderation had hidden it: then it was no longer counted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        was_hidden: bool,
    },
    /// A moderation decision hid the comment; nothing is destroyed.
    #[serde(rename = "comment.hidden.v1")]
    Hidden {
        /// The post.
        post_id: PostId,
        /// Who wrote the comment, and is told.
        author_id: UserId,
        /// The case that decided it.
        case_id: CaseId,
    },
    /// A moderation decision brought a hidden comment back.
    #[serde(rename = "comment.restored.v1")]
    Restored {
        /// The post.
        post_id: PostId,
        /// Who wrote the comment, and is told.
        author_id: UserId,
        /// The case that decided it.
        case_id: CaseId,
    },
}

impl Event for CommentEvent {
    const CATEGORY: &'static str = "comment";
    const SERVICE: Service = Service::Interaction;
}
