//! What is known of content after one more of its events.

use event_runtime::Recorded;
use shared_schemas::{UserId, comment::CommentEvent, post::PostEvent};

use super::{
    standing::{self, Standing},
    view::Content,
};

impl Content {
    /// Content of which nothing is known but whose it is.
    pub(super) fn of(author_id: UserId) -> Self {
        Self {
            author_id,
            published: false,
            hidden: false,
            version: None,
            category: None,
            title: None,
            body: None,
            wish: None,
            published_at: None,
            text_at: None,
            due_at: None,
        }
    }

    fn stands(known: Option<Self>, Standing { author_id, published, hidden }: Standing) -> Self {
        Self { published, hidden, ..known.unwrap_or_else(|| Self::of(author_id)) }
    }

    /// The text is gone for good, and with it the reason to decide again.
    fn forgotten(self) -> Self {
        Self { title: None, body: None, due_at: None, ..self }
    }
}

/// A post after one of its events; `None` while it was never public.
pub(super) fn after_post(known: Option<Content>, post: &Recorded<PostEvent>) -> Option<Content> {
    let standing = standing::after_post(known.as_ref().map(Content::standing), &post.event)?;
    let content = Content::stands(known, standing);
    Some(match &post.event {
        PostEvent::Published { title, body, category, mint, .. } => Content {
            version: Some(post.version.0),
            category: Some(*category),
            title: Some(title.clone()),
            body: Some(body.clone()),
            text_at: Some(post.occurred_at),
            published_at: Some(post.occurred_at),
            wish: mint.or(content.wish),
            ..content
        },
        PostEvent::Edited { title, body, category, .. } => Content {
            version: Some(post.version.0),
            category: Some(*category),
            title: Some(title.clone()),
            body: Some(body.clone()),
            text_at: Some(post.occurred_at),
            ..content
        },
        PostEvent::Deleted {} => content.forgotten(),
        PostEvent::Drafted { .. }
        | PostEvent::DraftEdited { .. }
        | PostEvent::DraftDeleted {}
        | PostEvent::Archived {}
        | PostEvent::Hidden { .. }
        | PostEvent::Restored { .. } => content,
    })
}

/// A comment after one of its events; `None` before it was added.
pub(super) fn after_comment(
    known: Option<Content>,
    comment: &Recorded<CommentEvent>,
) -> Option<Content> {
    let standing = standing::after_comment(known.as_ref().map(Content::standing), &comment.event)?;
    let content = Content::stands(known, standing);
    Some(match &comment.event {
        CommentEvent::Added { body, category, mint, .. } => Content {
            version: Some(comment.version.0),
            category: Some(*category),
            title: None,
            body: Some(body.clone()),
            text_at: Some(comment.occurred_at),
            published_at: Some(comment.occurred_at),
            wish: mint.or(content.wish),
            ..content
        },
        // An edit does not repeat what the post is about.
        CommentEvent::Edited { body, .. } => Content {
            version: Some(comment.version.0),
            title: None,
            body: Some(body.clone()),
            text_at: Some(comment.occurred_at),
            ..content
        },
        CommentEvent::Deleted { .. } => content.forgotten(),
        CommentEvent::Hidden { .. } | CommentEvent::Restored { .. } => content,
    })
}
