//! What can happen to a notification. Recorded by engagement-service.

use serde::{Deserialize, Serialize};

use crate::{CaseId, CommentId, Event, PostId, Service, UserId, choice::choices};

choices! {
    /// What a person is told.
    NotificationKind {
        /// Somebody reacted to the person's post.
        PostReactionReceived = "POST_REACTION_RECEIVED",
        /// Somebody commented on the person's post or answered a comment.
        PostCommentReceived = "POST_COMMENT_RECEIVED",
        /// Somebody to connect with.
        ConnectionRecommendation = "CONNECTION_RECOMMENDATION",
        /// Something to read.
        PostRecommendation = "POST_RECOMMENDATION",
        /// The platform has something to say, such as a moderation outcome.
        SystemMessage = "SYSTEM_MESSAGE",
        /// The person's own activity changed level.
        ProfileActivity = "PROFILE_ACTIVITY",
        /// Somebody connected with the person.
        UserConnected = "USER_CONNECTED",
    }
}

choices! {
    /// How far a notification has come.
    NotificationState {
        /// Recorded.
        Generated = "GENERATED",
        /// On its way to a device.
        Sending = "SENDING",
        /// Delivered.
        Sent = "SENT",
        /// Seen by the person.
        Viewed = "VIEWED",
    }
}

choices! {
    /// How lively a person's activity is.
    EngagementLevel {
        /// A score of 80 and more.
        HighlyActive = "HIGHLY_ACTIVE",
        /// A score of 60 to 79.
        ModeratelyActive = "MODERATELY_ACTIVE",
        /// A score of 50 to 59.
        NormallyActive = "NORMALLY_ACTIVE",
        /// A score of 20 to 49.
        LessActive = "LESS_ACTIVE",
        /// A score below 20.
        Isolated = "ISOLATED",
    }
}

impl EngagementLevel {
    /// The level of a score from 0 to 100.
    pub const fn of(score: u8) -> Self {
        match score {
            80.. => Self::HighlyActive,
            60..80 => Self::ModeratelyActive,
            50..60 => Self::NormallyActive,
            20..50 => Self::LessActive,
            0..20 => Self::Isolated,
        }
    }
}

/// What a notification is about: ids only, the words are made when it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct About {
    /// The person whose act it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_id: Option<PostId>,
    /// The comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<CommentId>,
    /// The moderation case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
}

/// A fact about one notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum NotificationEvent {
    /// There is something to tell.
    #[serde(rename = "notification.generated.v1")]
    Generated {
        /// Whom.
        recipient_id: UserId,
        /// What kind of thing.
        kind: NotificationKind,
        /// About what.
        about: About,
        /// For a level change or a moderation outcome: its spelling, such as `DELETE` or `HIGHLY_ACTIVE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The person has seen it.
    #[serde(rename = "notification.viewed.v1")]
    Viewed {
        /// Whose it is.
        recipient_id: UserId,
    },
}

impl Event for NotificationEvent {
    const CATEGORY: &'static str = "notification";
    const SERVICE: Service = Service::Engagement;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_at_80_60_50_and_20() {
        let levels = [100, 80, 79, 60, 59, 50, 49, 20, 19, 0].map(EngagementLevel::of);

        assert_eq!(
            levels,
            [
                EngagementLevel::HighlyActive,
                EngagementLevel::HighlyActive,
                EngagementLevel::ModeratelyActive,
                EngagementLevel::ModeratelyActive,
                EngagementLevel::NormallyActive,
                EngagementLevel::NormallyActive,
                EngagementLevel::LessActive,
                EngagementLevel::LessActive,
                EngagementLevel::Isolated,
                EngagementLevel::Isolated,
            ]
        );
    }
}
