//! Who is told what because of an event: pure functions.

use shared_schemas::{
    CaseId, CommentId, PostId, UserId,
    comment::CommentEvent,
    connection::ConnectionEvent,
    mint::{MintEvent, MintState},
    moderation::{CaseEvent, Decision, Subject},
    notification::{About, NotificationKind},
    post::PostEvent,
    reaction::ReactionEvent,
    standing::StandingEvent,
};

/// One thing to tell one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whom.
    pub(super) recipient_id: UserId,
    /// What kind of thing.
    pub(super) kind: NotificationKind,
    /// About what.
    pub(super) about: About,
    /// The spelling of an outcome.
    pub(super) detail: Option<&'static str>,
}

/// What an event about a post tells its author.
pub(super) fn of_post(id: PostId, event: &PostEvent) -> Vec<Notice> {
    let (author_id, case_id, decision) = match event {
        PostEvent::Hidden { author_id, case_id } => (author_id, case_id, Decision::Delete),
        PostEvent::Restored { author_id, case_id } => (author_id, case_id, Decision::Restore),
        PostEvent::Drafted { .. }
        | PostEvent::DraftEdited { .. }
        | PostEvent::DraftDeleted {}
        | PostEvent::Published { .. }
        | PostEvent::Edited { .. }
        | PostEvent::Archived {}
        | PostEvent::Deleted {} => return Vec::new(),
    };
    let about = About { post_id: Some(id), case_id: Some(*case_id), ..About::default() };
    vec![outcome(*author_id, about, decision)]
}

/// What an event about a mint tells its author: that the token is there for good, or that nobody tries any more.
pub(super) fn of_mint(author_id: UserId, about: About, event: &MintEvent) -> Vec<Notice> {
    match event.leads_to() {
        Some(state @ (MintState::MintingCompleted | MintState::MintingFailed)) => vec![Notice {
            recipient_id: author_id,
            kind: NotificationKind::SystemMessage,
            about,
            detail: Some(state.as_str()),
        }],
        Some(MintState::ReadyForMinting | MintState::MintingInProgress | MintState::Withdrawn)
        | None => Vec::new(),
    }
}

/// What an event about a comment tells those it concerns.
pub(super) fn of_comment(id: CommentId, event: &CommentEvent) -> Vec<Notice> {
    let (post_id, author_id, case_id, decision) = match event {
        CommentEvent::Added { post_id, post_author_id, author_id, parent_author_id, .. } => {
            let about = About {
                user_id: Some(*author_id),
                post_id: Some(*post_id),
                comment_id: Some(id),
                case_id: None,
            };
            let mut recipients = vec![*post_author_id];
            recipients.extend(parent_author_id.filter(|parent| parent != post_author_id));
            return recipients
                .into_iter()
                .filter(|recipient| recipient != author_id)
                .map(|recipient_id| Notice {
                    recipient_id,
                    kind: NotificationKind::PostCommentReceived,
                    about,
                    detail: None,
                })
                .collect();
        }
        CommentEvent::Hidden { post_id, author_id, case_id } => {
            (post_id, author_id, case_id, Decision::Delete)
        }
        CommentEvent::Restored { post_id, author_id, case_id } => {
            (post_id, author_id, case_id, Decision::Restore)
        }
        CommentEvent::Edited { .. } | CommentEvent::Deleted { .. } => return Vec::new(),
    };
    let about = About {
        user_id: None,
        post_id: Some(*post_id),
        comment_id: Some(id),
        case_id: Some(*case_id),
    };
    vec![outcome(*author_id, about, decision)]
}

/// What an event about a reaction tells the post's author.
pub(super) fn of_reaction(event: &ReactionEvent) -> Vec<Notice> {
    match event {
        ReactionEvent::Added { post_id, post_author_id, user_id, .. }
            if user_id != post_author_id =>
        {
            vec![Notice {
                recipient_id: *post_author_id,
                kind: NotificationKind::PostReactionReceived,
                about: About {
                    user_id: Some(*user_id),
                    post_id: Some(*post_id),
                    ..About::default()
                },
                detail: None,
            }]
        }
        ReactionEvent::Added { .. }
        | ReactionEvent::Changed { .. }
        | ReactionEvent::Removed { .. } => Vec::new(),
    }
}

/// What an event about a connection tells the other one.
pub(super) fn of_connection(event: &ConnectionEvent) -> Vec<Notice> {
    match event {
        ConnectionEvent::Established { initiator_id, other_id } if initiator_id != other_id => {
            vec![Notice {
                recipient_id: *other_id,
                kind: NotificationKind::UserConnected,
                about: About { user_id: Some(*initiator_id), ..About::default() },
                detail: None,
            }]
        }
        ConnectionEvent::Established { .. } | ConnectionEvent::Ended { .. } => Vec::new(),
    }
}

/// What an event about a case tells the author beyond what becomes of the content.
pub(super) fn of_case(id: CaseId, event: &CaseEvent) -> Vec<Notice> {
    let CaseEvent::AppealResolved { subject, author_id, outcome, .. } = event else {
        return Vec::new();
    };
    let about = match subject {
        Subject::Post(post_id) => About { post_id: Some(*post_id), ..About::default() },
        Subject::Comment(comment_id) => About { comment_id: Some(*comment_id), ..About::default() },
    };
    vec![Notice {
        recipient_id: *author_id,
        kind: NotificationKind::SystemMessage,
        about: About { case_id: Some(id), ..about },
        detail: Some(outcome.as_str()),
    }]
}

/// What a person is told of a sanction that begins or ends.
pub(super) fn of_standing(id: UserId, event: &StandingEvent) -> Vec<Notice> {
    let StandingEvent::Restricted { status, .. } = event else { return Vec::new() };
    vec![Notice {
        recipient_id: id,
        kind: NotificationKind::SystemMessage,
        about: About::default(),
        detail: Some(status.as_str()),
    }]
}

fn outcome(author_id: UserId, about: About, decision: Decision) -> Notice {
    Notice {
        recipient_id: author_id,
        kind: NotificationKind::SystemMessage,
        about,
        detail: Some(decision.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::{CaseId, post::Category, reaction::ReactionKind};
    use uuid::Uuid;

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const BERT: UserId = UserId(Uuid::from_u128(2));
    const CARO: UserId = UserId(Uuid::from_u128(3));
    const POST: PostId = PostId(Uuid::from_u128(4));
    const COMMENT: CommentId = CommentId(Uuid::from_u128(5));
    const CASE: CaseId = CaseId(Uuid::from_u128(6));

    fn recipients(notices: &[Notice]) -> Vec<UserId> {
        notices.iter().map(|notice| notice.recipient_id).collect()
    }

    fn comment(
        post_author_id: UserId,
        parent_author_id: Option<UserId>,
        author_id: UserId,
    ) -> CommentEvent {
        CommentEvent::Added {
            post_id: POST,
            post_author_id,
            category: Category::Books,
            author_id,
            parent_id: parent_author_id.map(|_| CommentId(Uuid::from_u128(7))),
            parent_author_id,
            body: "yes".to_owned(),
            mint: None,
        }
    }

    #[test]
    fn an_answer_is_told_to_the_post_author_and_to_the_one_who_is_answered() {
        let told = |event: &CommentEvent| recipients(&of_comment(COMMENT, event));

        assert_eq!(told(&comment(ANNA, Some(BERT), CARO)), [ANNA, BERT]);
        assert_eq!(told(&comment(ANNA, Some(ANNA), CARO)), [ANNA]);
        assert_eq!(told(&comment(ANNA, None, CARO)), [ANNA]);
    }

    #[test]
    fn nobody_is_told_of_ones_own_comment() {
        let told = |event: &CommentEvent| recipients(&of_comment(COMMENT, event));

        assert_eq!(told(&comment(ANNA, None, ANNA)), []);
        assert_eq!(told(&comment(ANNA, Some(BERT), BERT)), [ANNA]);
        assert_eq!(told(&comment(ANNA, Some(BERT), ANNA)), [BERT]);
    }

    #[test]
    fn nobody_is_told_of_ones_own_reaction() {
        let reaction = |user_id| ReactionEvent::Added {
            post_id: POST,
            post_author_id: ANNA,
            category: Category::Books,
            user_id,
            kind: ReactionKind::Joy,
        };

        assert_eq!(recipients(&of_reaction(&reaction(BERT))), [ANNA]);
        assert_eq!(recipients(&of_reaction(&reaction(ANNA))), []);
    }

    #[test]
    fn an_author_is_told_what_became_of_hidden_content_and_by_which_case() {
        let hidden = of_post(POST, &PostEvent::Hidden { author_id: ANNA, case_id: CASE });
        let restored = of_comment(
            COMMENT,
            &CommentEvent::Restored { post_id: POST, author_id: BERT, case_id: CASE },
        );

        let about = About { post_id: Some(POST), case_id: Some(CASE), ..About::default() };
        assert_eq!(hidden, [outcome(ANNA, about, Decision::Delete)]);
        let about = About { comment_id: Some(COMMENT), ..about };
        assert_eq!(restored, [outcome(BERT, about, Decision::Restore)]);
    }

    #[test]
    fn the_one_who_was_asked_is_told_of_a_connection() {
        let established = ConnectionEvent::Established { initiator_id: ANNA, other_id: BERT };

        assert_eq!(recipients(&of_connection(&established)), [BERT]);
    }
}
