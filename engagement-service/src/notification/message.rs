//! The words of a notification, made when it is shown: they can be improved or translated without touching a fact.

use shared_schemas::{
    mint::MintState,
    moderation::Decision,
    notification::{About, NotificationKind},
};

/// One English sentence or two, without names: the client knows the people in [`About`].
pub fn message(kind: NotificationKind, about: &About, detail: Option<&str>) -> String {
    match kind {
        NotificationKind::PostReactionReceived => "Somebody reacted to your post.".to_owned(),
        NotificationKind::PostCommentReceived => {
            "Somebody commented on your post or answered you.".to_owned()
        }
        NotificationKind::UserConnected => "Somebody connected with you.".to_owned(),
        NotificationKind::ConnectionRecommendation => "You may know this person.".to_owned(),
        NotificationKind::PostRecommendation => "You may like this post.".to_owned(),
        NotificationKind::ProfileActivity => detail.map_or_else(
            || "Your activity has reached another level.".to_owned(),
            |level| format!("Your activity has reached the level {level}."),
        ),
        NotificationKind::SystemMessage => {
            match detail.and_then(|detail| detail.parse::<MintState>().ok()) {
                Some(state) => minted(about, state),
                None => outcome(about, detail.and_then(|detail| detail.parse().ok())),
            }
        }
    }
}

fn minted(about: &About, state: MintState) -> String {
    let what = if about.comment_id.is_some() { "comment" } else { "post" };
    match state {
        MintState::MintingCompleted => format!("Your {what} is a token of yours now."),
        MintState::MintingFailed => {
            format!("Your {what} could not be made a token. Somebody looks into it.")
        }
        MintState::ReadyForMinting => format!("Your {what} is about to become a token."),
        MintState::MintingInProgress => format!("Your {what} is becoming a token."),
        MintState::Withdrawn => format!("Your {what} does not become a token."),
    }
}

fn outcome(about: &About, decision: Option<Decision>) -> String {
    let what = if about.comment_id.is_some() { "comment" } else { "post" };
    match decision {
        Some(Decision::Delete) => {
            format!("Your {what} was hidden because it breaks the rules of the platform.")
        }
        Some(Decision::Restore) => {
            format!("Your {what} was looked at again and is visible to everyone.")
        }
        Some(Decision::Dismiss) => format!("Your {what} was looked at and stays."),
        None => "The platform has something to say to you.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::CommentId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_outcome_says_what_happened_to_what() {
        let comment = About { comment_id: Some(CommentId(Uuid::from_u128(1))), ..About::default() };

        let hidden = message(NotificationKind::SystemMessage, &comment, Some("DELETE"));
        let restored = message(NotificationKind::SystemMessage, &About::default(), Some("RESTORE"));

        assert_eq!(hidden, "Your comment was hidden because it breaks the rules of the platform.");
        assert_eq!(restored, "Your post was looked at again and is visible to everyone.");
    }

    #[test]
    fn a_detail_from_the_future_still_makes_a_sentence() {
        let message = message(NotificationKind::SystemMessage, &About::default(), Some("ESCALATE"));

        assert_eq!(message, "The platform has something to say to you.");
    }
}
