//! What can happen to a moderation case. Recorded by moderation-service; post and interaction carry decisions out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CommentId, Event, PostId, Service, UserId, choice::choices};

choices! {
    /// Why content is not acceptable.
    ModerationReason {
        /// Offends people.
        OffensiveContent = "OFFENSIVE_CONTENT",
        /// Sexual content.
        Nudity = "NUDITY",
        /// Breaks another rule of the platform.
        RulesViolation = "RULES_VIOLATION",
        /// Attacks people for who they are.
        Racism = "RACISM",
        /// Unasked advertising or flooding.
        Spam = "SPAM",
        /// Threatens somebody.
        Threat = "THREAT",
        /// Speaks of hurting oneself; a reason to help, never to remove.
        SelfHarm = "SELF_HARM",
        /// Targets one person.
        Harassment = "HARASSMENT",
    }
}

choices! {
    /// Where a case stands.
    CaseState {
        /// Waits for a moderator.
        Opened = "OPENED",
        /// Decided: the content stays.
        Dismissed = "DISMISSED",
        /// Decided: the content goes; its service has not confirmed yet.
        DeleteRequested = "DELETE_REQUESTED",
        /// The content's service has hidden it.
        DeleteConfirmed = "DELETE_CONFIRMED",
        /// Decided: the content comes back; its service has not confirmed yet.
        RestoreRequested = "RESTORE_REQUESTED",
        /// The content's service shows it again.
        RestoreConfirmed = "RESTORE_CONFIRMED",
    }
}

choices! {
    /// What is decided about content.
    Decision {
        /// Hide it.
        Delete = "DELETE",
        /// Leave it.
        Dismiss = "DISMISS",
        /// Bring it back.
        Restore = "RESTORE",
    }
}

/// What a case or a mint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
}

impl Subject {
    /// The id as bytes, to derive another id from.
    pub fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Post(id) => id.0.as_bytes(),
            Self::Comment(id) => id.0.as_bytes(),
        }
    }
}

/// Who decided a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Decider {
    /// The policy, without a person.
    Policy {
        /// Name and hash of the analyser and its rules.
        version: String,
    },
    /// A moderator.
    Moderator {
        /// Who.
        user_id: UserId,
    },
}

/// A fact about one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum CaseEvent {
    /// The analysis of some content asks for a decision; always the first event of a case.
    #[serde(rename = "case.opened.v1")]
    Opened {
        /// What was analysed.
        subject: Subject,
        /// Which version of it: the aggregate version of the event that carried the text.
        subject_version: u64,
        /// Who wrote it.
        author_id: UserId,
        /// Why, worst first; never empty.
        reasons: Vec<ModerationReason>,
        /// Name and hash of the analyser and its rules.
        analyser: String,
        /// The whole explained analysis: scores, findings, spans.
        analysis: Value,
    },
    /// The case was decided, or decided anew.
    #[serde(rename = "case.decided.v1")]
    Decided {
        /// What the case is about, so that its service needs no memory of the case.
        subject: Subject,
        /// Who wrote it, and is told.
        author_id: UserId,
        /// What is to happen.
        decision: Decision,
        /// Why, worst first.
        reasons: Vec<ModerationReason>,
        /// Who decided.
        decided_by: Decider,
    },
    /// The content's service has hidden it.
    #[serde(rename = "case.delete_confirmed.v1")]
    DeleteConfirmed {},
    /// The content's service shows it again.
    #[serde(rename = "case.restore_confirmed.v1")]
    RestoreConfirmed {},
}

impl Event for CaseEvent {
    const CATEGORY: &'static str = "case";
    const SERVICE: Service = Service::Moderation;
}
