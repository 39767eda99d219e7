//! The texts that events make public.

use shared_schemas::{
    UserId,
    comment::CommentEvent,
    post::{Category, PostEvent},
};

use crate::{Content, ContentKind};

/// A text that an event made public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Who wrote it.
    pub author_id: UserId,
    /// The whole text; of a post the title, a line feed and the body.
    pub text: String,
    /// What it was published as.
    pub kind: ContentKind,
    /// Whether an earlier version was public.
    pub edited: bool,
    /// The category of the post, or of the post that is commented on; an edited comment does not say.
    pub community: Option<Category>,
}

impl Publication {
    /// What an event of a post made public, if anything.
    pub fn of_post(event: PostEvent) -> Option<Self> {
        let (author_id, title, body, category, edited) = match event {
            PostEvent::Published { author_id, title, body, category, .. } => {
                (author_id, title, body, category, false)
            }
            PostEvent::Edited { author_id, title, body, category, .. } => {
                (author_id, title, body, category, true)
            }
            PostEvent::Drafted { .. }
            | PostEvent::DraftEdited { .. }
            | PostEvent::DraftDeleted {}
            | PostEvent::Archived {}
            | PostEvent::Deleted {}
            | PostEvent::Hidden { .. }
            | PostEvent::Restored { .. } => return None,
        };
        let text = format!("{title}\n{body}");
        let community = Some(category);
        Some(Self { author_id, text, kind: ContentKind::Post, edited, community })
    }

    /// What an event of a comment made public, if anything.
    pub fn of_comment(event: CommentEvent) -> Option<Self> {
        let (author_id, text, community, edited) = match event {
            CommentEvent::Added { author_id, body, category, .. } => {
                (author_id, body, Some(category), false)
            }
            CommentEvent::Edited { author_id, body, .. } => (author_id, body, None, true),
            CommentEvent::Deleted { .. }
            | CommentEvent::Hidden { .. }
            | CommentEvent::Restored { .. } => return None,
        };
        Some(Self { author_id, text, kind: ContentKind::Comment, edited, community })
    }

    /// What the analyser is asked about.
    pub fn content(&self) -> Content<'_> {
        Content { text: &self.text, kind: self.kind }
    }
}
