//! What one event changes: pure functions from events to differences.

use shared_schemas::{
    UserId, comment::CommentEvent, connection::ConnectionEvent, post::Category,
    reaction::ReactionEvent, view::ViewEvent,
};

use super::totals::Totals;

/// The difference that an event makes to one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Whose totals change.
    pub(super) user_id: UserId,
    /// By how much.
    pub(super) by: Totals,
    /// Whether the person acted, or others did.
    pub(super) own_act: bool,
    /// The category in which the person acted.
    pub(super) category: Option<Category>,
}

impl Change {
    /// Something the person did to content of a category.
    pub(super) fn act(user_id: UserId, category: Category, by: Totals) -> Self {
        Self { user_id, by, own_act: true, category: Some(category) }
    }

    /// Something that others did to the person or its content.
    fn received(user_id: UserId, by: Totals) -> Self {
        Self { user_id, by, own_act: false, category: None }
    }

    /// Something that concerns the person without being about a category.
    fn standing(user_id: UserId, own_act: bool, by: Totals) -> Self {
        Self { user_id, by, own_act, category: None }
    }
}

/// The act of one person on a post, and what its author receives unless they are the same.
fn on_post(
    actor: UserId,
    post_author: UserId,
    category: Category,
    given: Totals,
    received: Totals,
) -> Vec<Change> {
    let mut changes = vec![Change::act(actor, category, given)];
    if actor != post_author {
        changes.push(Change::received(post_author, received));
    }
    changes
}

/// What an event about a comment changes. Removal undoes nothing: the comment was written.
pub(super) fn of_comment(event: &CommentEvent) -> Vec<Change> {
    match event {
        CommentEvent::Added { post_author_id, category, author_id, .. } => on_post(
            *author_id,
            *post_author_id,
            *category,
            Totals { comments: 1, ..Totals::default() },
            Totals { comments_received: 1, ..Totals::default() },
        ),
        CommentEvent::Edited { .. }
        | CommentEvent::Deleted { .. }
        | CommentEvent::Hidden { .. }
        | CommentEvent::Restored { .. } => Vec::new(),
    }
}

/// What an event about a reaction changes.
pub(super) fn of_reaction(event: &ReactionEvent) -> Vec<Change> {
    let (actor, author, category, by) = match event {
        ReactionEvent::Added { post_author_id, category, user_id, .. } => {
            (*user_id, *post_author_id, *category, 1)
        }
        ReactionEvent::Removed { post_author_id, category, user_id, .. } => {
            (*user_id, *post_author_id, *category, -1)
        }
        ReactionEvent::Changed { .. } => return Vec::new(),
    };
    on_post(
        actor,
        author,
        category,
        Totals { reactions: by, ..Totals::default() },
        Totals { reactions_received: by, ..Totals::default() },
    )
}

/// What an event about a view changes.
pub(super) fn of_view(event: &ViewEvent) -> Vec<Change> {
    match event {
        ViewEvent::Counted { post_author_id, category, viewer_id, .. } => on_post(
            *viewer_id,
            *post_author_id,
            *category,
            Totals { views: 1, ..Totals::default() },
            Totals { views_received: 1, ..Totals::default() },
        ),
    }
}

/// What an event about a connection changes, for both people.
pub(super) fn of_connection(event: &ConnectionEvent) -> Vec<Change> {
    let (actor, other, by) = match event {
        ConnectionEvent::Established { initiator_id, other_id } => (*initiator_id, *other_id, 1),
        ConnectionEvent::Ended { ended_by, other_id } => (*ended_by, *other_id, -1),
    };
    let by = Totals { connections: by, ..Totals::default() };
    vec![Change::standing(actor, true, by), Change::standing(other, false, by)]
}

#[cfg(test)]
mod tests {
    use shared_schemas::{PostId, reaction::ReactionKind};
    use uuid::Uuid;

    use super::*;

    const AUTHOR: UserId = UserId(Uuid::from_u128(1));
    const READER: UserId = UserId(Uuid::from_u128(2));
    const POST: PostId = PostId(Uuid::from_u128(3));

    fn comment(author_id: UserId) -> CommentEvent {
        CommentEvent::Added {
            post_id: POST,
            post_author_id: AUTHOR,
            category: Category::Books,
            author_id,
            parent_id: None,
            parent_author_id: None,
            body: "yes".to_owned(),
            mint: None,
        }
    }

    #[test]
    fn a_comment_counts_for_its_author_and_for_the_post_author() {
        let changes = of_comment(&comment(READER));

        assert_eq!(
            changes,
            [
                Change::act(READER, Category::Books, Totals { comments: 1, ..Totals::default() }),
                Change::received(AUTHOR, Totals { comments_received: 1, ..Totals::default() }),
            ]
        );
    }

    #[test]
    fn nobody_receives_what_comes_from_oneself() {
        let changes = of_comment(&comment(AUTHOR));

        assert_eq!(
            changes,
            [Change::act(AUTHOR, Category::Books, Totals { comments: 1, ..Totals::default() })]
        );
    }

    #[test]
    fn a_deleted_comment_was_still_written() {
        let deleted = CommentEvent::Deleted { post_id: POST, author_id: READER, was_hidden: false };

        assert_eq!(of_comment(&deleted), []);
    }

    #[test]
    fn a_reaction_taken_back_undoes_itself_for_both() {
        let added = ReactionEvent::Added {
            post_id: POST,
            post_author_id: AUTHOR,
            category: Category::Books,
            user_id: READER,
            kind: ReactionKind::Like,
        };
        let removed = ReactionEvent::Removed {
            post_id: POST,
            post_author_id: AUTHOR,
            category: Category::Books,
            user_id: READER,
            kind: ReactionKind::Like,
        };

        for (gain, loss) in of_reaction(&added).into_iter().zip(of_reaction(&removed)) {
            assert_eq!(gain.user_id, loss.user_id);
            assert_eq!(gain.by.reactions + loss.by.reactions, 0);
            assert_eq!(gain.by.reactions_received + loss.by.reactions_received, 0);
        }
        assert_eq!(of_reaction(&added).len(), 2);
    }

    #[test]
    fn another_kind_of_reaction_is_no_other_reaction() {
        let changed = ReactionEvent::Changed {
            post_id: POST,
            user_id: READER,
            from: ReactionKind::Like,
            to: ReactionKind::Love,
        };

        assert_eq!(of_reaction(&changed), []);
    }

    #[test]
    fn a_connection_counts_at_both_ends() {
        let ended = ConnectionEvent::Ended { ended_by: READER, other_id: AUTHOR };

        let by = Totals { connections: -1, ..Totals::default() };
        assert_eq!(
            of_connection(&ended),
            [Change::standing(READER, true, by), Change::standing(AUTHOR, false, by)]
        );
    }
}
