//! The words of a notification, made when it is shown: they can be improved or translated without touching a fact.

use shared_schemas::{
    mint::MintState,
    moderation::{AppealOutcome, Decision, ModerationReason},
    notification::NotificationKind,
    user::AccountStatus,
};

use super::view::{Listed, Why};

/// Where authors read why and appeal.
const DECISIONS: &str = "GET /api/v1/moderation/decisions/mine says why, and how to appeal.";

/// Where people read what is held against them.
const STANDING: &str = "GET /api/v1/moderation/standing/mine says why.";

/// An English sentence or two, without names: the client knows the people it is about.
pub fn message(listed: &Listed) -> String {
    let detail = listed.detail.as_deref();
    match listed.kind {
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
            let what = if listed.about.comment_id.is_some() { "comment" } else { "post" };
            let detail = detail.unwrap_or_default();
            decided(what, detail, listed.why.as_ref())
                .or_else(|| answered(what, detail))
                .or_else(|| restricted(detail))
                .or_else(|| minted(what, detail))
                .unwrap_or_else(|| "The platform has something to say to you.".to_owned())
        }
    }
}

fn minted(what: &str, detail: &str) -> Option<String> {
    Some(match detail.parse::<MintState>().ok()? {
        MintState::MintingCompleted => format!("Your {what} is a token of yours now."),
        MintState::MintingFailed => {
            format!("Your {what} could not be made a token. Somebody looks into it.")
        }
        MintState::ReadyForMinting => format!("Your {what} is about to become a token."),
        MintState::MintingInProgress => format!("Your {what} is becoming a token."),
        MintState::Withdrawn => format!("Your {what} does not become a token."),
    })
}

fn decided(what: &str, detail: &str, why: Option<&Why>) -> Option<String> {
    Some(match detail.parse().ok()? {
        Decision::Delete => match why {
            None => {
                format!("Your {what} was hidden because it breaks the rules of the platform.")
            }
            Some(Why { reasons, automated }) => {
                let reasons: Vec<&str> = reasons.iter().copied().map(word).collect();
                let by = if *automated { "by a rule, without a person" } else { "by a moderator" };
                format!(
                    "Your {what} was hidden because of {}; that was decided {by}. {DECISIONS}",
                    reasons.join(", ")
                )
            }
        },
        Decision::Restore => {
            format!("Your {what} was looked at again and is visible to everyone.")
        }
        Decision::Dismiss => format!("Your {what} was looked at and stays."),
    })
}

fn answered(what: &str, detail: &str) -> Option<String> {
    Some(match detail.parse().ok()? {
        AppealOutcome::Upheld => {
            format!("Your appeal was answered: your {what} stays hidden. {DECISIONS}")
        }
        AppealOutcome::Overturned => {
            format!("Your appeal was answered: hiding your {what} was wrong. {DECISIONS}")
        }
    })
}

fn restricted(detail: &str) -> Option<String> {
    Some(match detail.parse().ok()? {
        AccountStatus::Active => "You may do everything again.".to_owned(),
        AccountStatus::Muted => format!("You may read and not write for a time. {STANDING}"),
        AccountStatus::Suspended => {
            format!("You are suspended for a time: you may read why, and appeal. {STANDING}")
        }
        AccountStatus::Banned => {
            format!("You are banned: you may read why, and appeal. {STANDING}")
        }
        AccountStatus::Inactive => return None,
    })
}

const fn word(reason: ModerationReason) -> &'static str {
    match reason {
        ModerationReason::OffensiveContent => "offensive content",
        ModerationReason::Nudity => "sexual content",
        ModerationReason::RulesViolation => "a violation of the rules",
        ModerationReason::Racism => "hate",
        ModerationReason::Spam => "spam",
        ModerationReason::Threat => "a threat",
        ModerationReason::SelfHarm => "self-harm",
        ModerationReason::Harassment => "harassment",
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use shared_schemas::{
        CommentId, NotificationId,
        notification::{About, NotificationState},
    };
    use uuid::Uuid;

    use super::*;

    fn told(about: About, detail: &str, why: Option<Why>) -> String {
        message(&Listed {
            id: NotificationId(Uuid::from_u128(2)),
            kind: NotificationKind::SystemMessage,
            state: NotificationState::Generated,
            about,
            detail: Some(detail.to_owned()),
            why,
            created_at: DateTime::default(),
            viewed_at: None,
        })
    }

    fn comment() -> About {
        About { comment_id: Some(CommentId(Uuid::from_u128(1))), ..About::default() }
    }

    #[test]
    fn an_outcome_says_what_happened_to_what() {
        let hidden = told(comment(), "DELETE", None);
        let restored = told(About::default(), "RESTORE", None);

        assert_eq!(hidden, "Your comment was hidden because it breaks the rules of the platform.");
        assert_eq!(restored, "Your post was looked at again and is visible to everyone.");
    }

    #[test]
    fn a_removal_says_why_who_decided_and_how_to_appeal() {
        let reasons = vec![ModerationReason::Harassment, ModerationReason::Threat];
        let by_person = told(comment(), "DELETE", Some(Why { reasons, automated: false }));
        let reasons = vec![ModerationReason::Spam];
        let by_rule = told(About::default(), "DELETE", Some(Why { reasons, automated: true }));

        assert!(by_person.contains("harassment, a threat; that was decided by a moderator"));
        assert!(by_rule.contains("because of spam; that was decided by a rule"), "{by_rule}");
        assert!(by_rule.ends_with(DECISIONS));
    }

    #[test]
    fn appeals_and_sanctions_have_words_of_their_own() {
        for (detail, words) in [
            ("UPHELD", "stays hidden"),
            ("OVERTURNED", "was wrong"),
            ("MUTED", "read and not write"),
            ("SUSPENDED", "suspended for a time"),
            ("BANNED", "banned"),
            ("ACTIVE", "everything again"),
        ] {
            let told = told(About::default(), detail, None);
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_detail_from_the_future_still_makes_a_sentence() {
        let message = told(About::default(), "ESCALATE", None);

        assert_eq!(message, "The platform has something to say to you.");
    }
}
