//! What can happen to a moderation case. Recorded by moderation-service; post and interaction carry decisions out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BatchId, CaseId, CommentId, Event, PostId, Service, UserId, choice::choices};

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

choices! {
    /// What an appeal came to.
    AppealOutcome {
        /// The decision stands.
        Upheld = "UPHELD",
        /// The decision was wrong and is taken back.
        Overturned = "OVERTURNED",
    }
}

choices! {
    /// What everybody is told of content before they look at it.
    ContentLabel {
        /// Not for every eye.
        Sensitive = "SENSITIVE",
        /// Shows or describes violence.
        Graphic = "GRAPHIC",
        /// For adults.
        Sexual = "SEXUAL",
        /// Tells the end of a story.
        Spoiler = "SPOILER",
        /// Says what is not so.
        Misleading = "MISLEADING",
        /// Speaks of hurting oneself; clients show where to find help.
        HelpOffered = "HELP_OFFERED",
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

impl CaseId {
    /// The case about one version of some content: there is one at most.
    pub fn about(subject: &Subject, subject_version: u64) -> Self {
        Self::derive(&[subject.as_bytes(), &subject_version.to_be_bytes()])
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
        /// The batch by which it was decided, of judgements that another policy or model changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_id: Option<BatchId>,
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
        /// The whole explained analysis: scores, findings, spans. `null` where reports opened the case before there was one.
        analysis: Value,
        /// The near-copies it belongs to, if the analyser knows any: cases of one cluster can be decided together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster_id: Option<String>,
        /// The batch that opened it, of judgements that another policy or model changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_id: Option<BatchId>,
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
    /// One more person reported this version of the content. Says nothing of who.
    #[serde(rename = "case.reported.v1")]
    Reported {
        /// What for.
        category: ModerationReason,
    },
    /// What the content said when it was first reported; private to moderation-service. It outlives edits and deletion.
    #[serde(rename = "case.evidence_kept.v1")]
    EvidenceKept {
        /// The whole text; of a post the title, a line feed and the body.
        text: String,
        /// SHA-256 of its UTF-8 form, in lower-case hexadecimal.
        text_sha256: String,
    },
    /// A moderator looks at the case, or goes on looking; until then nobody else decides it.
    #[serde(rename = "case.claimed.v1")]
    Claimed {
        /// Who.
        moderator_id: UserId,
        /// When the claim ends by itself.
        until: DateTime<Utc>,
    },
    /// The moderator gave the case back.
    #[serde(rename = "case.released.v1")]
    Released {
        /// Who had claimed it.
        moderator_id: UserId,
    },
    /// A moderator wrote something down for colleagues; private to moderation-service.
    #[serde(rename = "case.noted.v1")]
    Noted {
        /// Who.
        moderator_id: UserId,
        /// 1 to 2 000 Unicode scalar values, NFC.
        note: String,
    },
    /// A moderator asks administrators to decide.
    #[serde(rename = "case.escalated.v1")]
    Escalated {
        /// Who.
        moderator_id: UserId,
    },
    /// A moderator has seen the case and leaves it open.
    #[serde(rename = "case.acknowledged.v1")]
    Acknowledged {
        /// Who.
        moderator_id: UserId,
    },
    /// A moderator would remove content that many have seen; a second one has to agree.
    #[serde(rename = "case.removal_proposed.v1")]
    RemovalProposed {
        /// Who.
        moderator_id: UserId,
        /// Why, worst first.
        reasons: Vec<ModerationReason>,
    },
    /// The version of the content that the case is about bears these labels from now on, whatever it bore before.
    #[serde(rename = "case.labelled.v1")]
    Labelled {
        /// What bears them.
        subject: Subject,
        /// Who wrote it.
        author_id: UserId,
        /// All labels, without repeats; empty when they are taken off.
        labels: Vec<ContentLabel>,
    },
    /// The author appealed against the removal.
    #[serde(rename = "case.appealed.v1")]
    Appealed {},
    /// What the author says; private to moderation-service.
    #[serde(rename = "case.appeal_written.v1")]
    AppealWritten {
        /// 1 to 2 000 Unicode scalar values, NFC.
        text: String,
    },
    /// Another moderator than the decider has answered the appeal.
    #[serde(rename = "case.appeal_resolved.v1")]
    AppealResolved {
        /// What the case is about.
        subject: Subject,
        /// Who appealed, and is told.
        author_id: UserId,
        /// What it came to.
        outcome: AppealOutcome,
        /// Who answered.
        moderator_id: UserId,
    },
    /// What the author is answered; private to moderation-service.
    #[serde(rename = "case.appeal_answered.v1")]
    AppealAnswered {
        /// 1 to 2 000 Unicode scalar values, NFC.
        text: String,
    },
    /// What a batch did is taken back: the case stands where it stood before.
    #[serde(rename = "case.taken_back.v1")]
    TakenBack {
        /// What the case is about.
        subject: Subject,
        /// Who wrote it.
        author_id: UserId,
        /// The batch.
        batch_id: BatchId,
        /// Where the case stands; absent if the batch opened it, so that there is none any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<CaseState>,
    },
}

impl CaseEvent {
    /// What was decided, if that is what happened.
    pub const fn decision(&self) -> Option<Decision> {
        match self {
            Self::Decided { decision, .. } => Some(*decision),
            Self::Opened { .. }
            | Self::DeleteConfirmed {}
            | Self::RestoreConfirmed {}
            | Self::Reported { .. }
            | Self::EvidenceKept { .. }
            | Self::Claimed { .. }
            | Self::Released { .. }
            | Self::Noted { .. }
            | Self::Escalated { .. }
            | Self::Acknowledged { .. }
            | Self::RemovalProposed { .. }
            | Self::Labelled { .. }
            | Self::Appealed {}
            | Self::AppealWritten { .. }
            | Self::AppealResolved { .. }
            | Self::AppealAnswered { .. }
            | Self::TakenBack { .. } => None,
        }
    }
}

impl Event for CaseEvent {
    const CATEGORY: &'static str = "case";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        // What people wrote to moderators, or moderators to people, must not be kept by everybody for ever.
        !matches!(
            self,
            Self::EvidenceKept { .. }
                | Self::Noted { .. }
                | Self::AppealWritten { .. }
                | Self::AppealAnswered { .. }
        )
    }
}
