//! What the events of one post or comment come to.

use shared_schemas::{UserId, comment::CommentEvent, post::PostEvent};

/// What is known of one post or comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whose it is.
    pub(super) author_id: UserId,
    /// The author shows it to everybody.
    pub(super) published: bool,
    /// Moderation shows it to nobody else.
    pub(super) hidden: bool,
}

impl Standing {
    /// Whether it can be minted now.
    pub(super) fn is_mintable(&self) -> bool {
        self.published && !self.hidden
    }
}

/// What is known of a post after one more event; `None` while it was never public.
pub(super) fn after_post(known: Option<Standing>, event: &PostEvent) -> Option<Standing> {
    match event {
        PostEvent::Published { author_id, .. } => {
            let hidden = known.is_some_and(|known| known.hidden);
            Some(Standing { author_id: *author_id, published: true, hidden })
        }
        PostEvent::Archived {} | PostEvent::Deleted {} => {
            known.map(|known| Standing { published: false, ..known })
        }
        PostEvent::Hidden { .. } => known.map(|known| Standing { hidden: true, ..known }),
        PostEvent::Restored { .. } => known.map(|known| Standing { hidden: false, ..known }),
        PostEvent::Drafted { .. }
        | PostEvent::DraftEdited { .. }
        | PostEvent::DraftDeleted {}
        | PostEvent::Edited { .. } => known,
    }
}

/// What is known of a comment after one more event; `None` before it was added.
pub(super) fn after_comment(known: Option<Standing>, event: &CommentEvent) -> Option<Standing> {
    match event {
        CommentEvent::Added { author_id, .. } => {
            Some(Standing { author_id: *author_id, published: true, hidden: false })
        }
        CommentEvent::Deleted { .. } => known.map(|known| Standing { published: false, ..known }),
        CommentEvent::Hidden { .. } => known.map(|known| Standing { hidden: true, ..known }),
        CommentEvent::Restored { .. } => known.map(|known| Standing { hidden: false, ..known }),
        CommentEvent::Edited { .. } => known,
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::{CaseId, PostId, post::Category};
    use uuid::Uuid;

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const CASE: CaseId = CaseId(Uuid::from_u128(2));

    fn published() -> PostEvent {
        PostEvent::Published {
            author_id: ANNA,
            title: "A title".to_owned(),
            body: "A body".to_owned(),
            category: Category::Books,
            mint: None,
        }
    }

    fn hidden() -> PostEvent {
        PostEvent::Hidden { author_id: ANNA, case_id: CASE }
    }

    fn restored() -> PostEvent {
        PostEvent::Restored { author_id: ANNA, case_id: CASE }
    }

    fn is_mintable(events: &[PostEvent]) -> bool {
        events.iter().fold(None, after_post).is_some_and(|standing| standing.is_mintable())
    }

    #[test]
    fn a_post_is_mintable_while_it_is_public() {
        assert!(is_mintable(&[published()]));
        assert!(!is_mintable(&[published(), PostEvent::Archived {}]));
        assert!(is_mintable(&[published(), PostEvent::Archived {}, published()]));
        assert!(!is_mintable(&[published(), PostEvent::Deleted {}]));
        assert!(!is_mintable(&[published(), hidden()]));
        assert!(is_mintable(&[published(), hidden(), restored()]));
    }

    #[test]
    fn what_is_hidden_stays_so_when_its_author_publishes_it_again() {
        let again = [published(), hidden(), PostEvent::Archived {}, published()];

        assert!(!is_mintable(&again));
    }

    #[test]
    fn what_is_restored_while_archived_or_deleted_is_not_public() {
        assert!(!is_mintable(&[published(), hidden(), PostEvent::Archived {}, restored()]));
        assert!(!is_mintable(&[published(), hidden(), PostEvent::Deleted {}, restored()]));
    }

    #[test]
    fn a_comment_is_mintable_while_it_stands() {
        let post_id = PostId(Uuid::from_u128(3));
        let added = CommentEvent::Added {
            post_id,
            post_author_id: ANNA,
            category: Category::Books,
            author_id: ANNA,
            parent_id: None,
            parent_author_id: None,
            body: "yes".to_owned(),
            mint: None,
        };
        let hidden = CommentEvent::Hidden { post_id, author_id: ANNA, case_id: CASE };
        let restored = CommentEvent::Restored { post_id, author_id: ANNA, case_id: CASE };
        let deleted = CommentEvent::Deleted { post_id, author_id: ANNA, was_hidden: false };
        let is_mintable = |events: &[&CommentEvent]| {
            let known = events.iter().fold(None, |known, event| after_comment(known, event));
            known.is_some_and(|standing| standing.is_mintable())
        };

        assert!(is_mintable(&[&added]));
        assert!(!is_mintable(&[&added, &hidden]));
        assert!(is_mintable(&[&added, &hidden, &restored]));
        assert!(!is_mintable(&[&added, &deleted]));
    }
}
