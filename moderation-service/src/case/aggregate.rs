//! The rules of a case.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use event_runtime::Aggregate;
use serde_json::Value;
use shared_schemas::{
    BatchId, CaseId, UserId,
    moderation::{
        CaseEvent, CaseState, ContentLabel, Decider, Decision, ModerationReason, Subject,
    },
};

/// What a command needs to know about a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made from its events at a time, and hardly any is new"
)]
pub enum Case {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It exists.
    Open(Open),
}

/// A case that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub(super) subject: Subject,
    pub(super) author_id: UserId,
    pub(super) reasons: Vec<ModerationReason>,
    pub(super) state: CaseState,
    /// Reports opened it, and no analyser has spoken since.
    pub(super) by_reports: bool,
    /// What it said is on record.
    pub(super) has_evidence: bool,
    pub(super) claim: Option<Claim>,
    pub(super) escalated: bool,
    pub(super) acknowledged_by: BTreeSet<UserId>,
    pub(super) proposed_by: Option<UserId>,
    pub(super) labels: Vec<ContentLabel>,
    /// The people behind the removal that stands; nobody if the policy decided.
    pub(super) removed_by: BTreeSet<UserId>,
    /// The appeal against the removal that stands, and whether it is answered.
    pub(super) appeal: Option<Appeal>,
    /// Who took the decision that stands, or answered an appeal against it.
    pub(super) decided_by: Option<DecidedBy>,
    /// The last batch that changed the case.
    pub(super) batch: Option<Box<Mark>>,
}

/// Who took a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// A person.
    Person,
    /// The policy of this name and hash.
    Policy(String),
}

/// What a batch did to a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(super) batch_id: BatchId,
    /// Where the case stood, with the marks of earlier batches.
    pub(super) before: Case,
    /// A person has worked on the case since.
    pub(super) is_touched: bool,
    /// Undoing it waits for the content's service.
    pub(super) is_reverting: bool,
}

/// A moderator's claim on a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub(super) moderator_id: UserId,
    pub(super) until: DateTime<Utc>,
}

/// How far an appeal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appeal {
    /// Nobody has answered.
    Pending,
    /// It is answered.
    Resolved,
}

/// An analysis, or a report, that asks for a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// What was analysed.
    pub subject: Subject,
    /// Which version of it.
    pub subject_version: u64,
    /// Who wrote it.
    pub author_id: UserId,
    /// Why, worst first.
    pub reasons: Vec<ModerationReason>,
    /// Name and hash of the analyser and its rules; [`REPORTS`] where none has spoken.
    pub analyser: String,
    /// The whole analysis; null where there is none.
    pub analysis: Value,
    /// The near-copies it belongs to, if any are known.
    pub cluster_id: Option<String>,
    /// What the content bears from now on.
    pub labels: Vec<ContentLabel>,
    /// The batch that opens it, if one does.
    pub batch_id: Option<BatchId>,
}

/// The analyser of a case that reports opened before any analyser spoke.
pub const REPORTS: &str = "reports";

/// Whether people can see the content of a case, as far as its service has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// They can.
    Visible,
    /// A decision hid it.
    Hidden,
    /// Its author deleted it.
    Gone,
}

/// Why a case refuses a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// There is none.
    #[error("there is no such case")]
    NotFound,
    /// Nothing was hidden that could come back.
    #[error("nothing was deleted that could be restored")]
    NothingToRestore,
    /// The content is hidden or about to be, or was and is back: that is undone by the opposite, not by leaving it.
    #[error("a case that was decided to delete cannot be dismissed; restore the content instead")]
    NothingToDismiss,
    /// The content's service has not brought it back yet.
    #[error("the content is being restored; wait until that is confirmed")]
    RestorePending,
    /// Another case asked to hide the content, and its service has not said yet that it did.
    #[error("the content is being hidden because of another case; wait until that is confirmed")]
    DeletePending,
    /// The author deleted the content.
    #[error("its author has deleted the content; there is nothing to restore")]
    ContentGone,
    /// Another moderator looks at it.
    #[error("another moderator has claimed the case until {until}")]
    Claimed {
        /// When the claim ends by itself.
        until: DateTime<Utc>,
    },
    /// A moderator asked administrators to decide.
    #[error("the case is escalated; an administrator decides it")]
    Escalated,
    /// Nothing is removed, so there is nothing to appeal against; or somebody else's content is.
    #[error("there is no decision against you in this case")]
    NothingToAppeal,
    /// A decision is appealed against once.
    #[error("this decision was appealed against already")]
    AppealedAlready,
    /// Nobody waits for an answer.
    #[error("no appeal waits for an answer")]
    NoAppeal,
    /// Whoever removed it does not judge the appeal.
    #[error("whoever took the decision does not answer the appeal against it")]
    OwnDecision,
}

/// The case about one version of some content: there is one at most.
pub fn case_id(subject: &Subject, subject_version: u64) -> CaseId {
    CaseId::about(subject, subject_version)
}

/// Where a case stands right after a decision.
pub const fn state_after(decision: Decision) -> CaseState {
    match decision {
        Decision::Delete => CaseState::DeleteRequested,
        Decision::Dismiss => CaseState::Dismissed,
        Decision::Restore => CaseState::RestoreRequested,
    }
}

impl Aggregate for Case {
    type Id = CaseId;
    type Event = CaseEvent;

    fn evolve(self, event: &CaseEvent) -> Self {
        match (self, event) {
            (before, CaseEvent::Opened { subject, author_id, reasons, analyser, batch_id, .. }) => {
                let batch = batch_id.map(|batch_id| Box::new(Mark::new(batch_id, before)));
                Self::Open(Open {
                    subject: *subject,
                    author_id: *author_id,
                    reasons: reasons.clone(),
                    state: CaseState::Opened,
                    by_reports: analyser == REPORTS,
                    has_evidence: false,
                    claim: None,
                    escalated: false,
                    acknowledged_by: BTreeSet::new(),
                    proposed_by: None,
                    labels: Vec::new(),
                    removed_by: BTreeSet::new(),
                    appeal: None,
                    decided_by: None,
                    batch,
                })
            }
            (Self::New, _) => Self::New,
            (Self::Open(open), CaseEvent::TakenBack { state, .. }) => open.taken_back(*state),
            (Self::Open(mut open), event) => {
                open.mark(event);
                open.take(event);
                Self::Open(open)
            }
        }
    }
}

impl Open {
    fn take(&mut self, event: &CaseEvent) {
        match event {
            CaseEvent::Decided { decision, decided_by, .. } => self.decided(*decision, decided_by),
            CaseEvent::DeleteConfirmed {} => self.state = CaseState::DeleteConfirmed,
            CaseEvent::RestoreConfirmed {} => self.state = CaseState::RestoreConfirmed,
            CaseEvent::EvidenceKept { .. } => self.has_evidence = true,
            CaseEvent::Claimed { moderator_id, until } => {
                self.claim = Some(Claim { moderator_id: *moderator_id, until: *until });
            }
            CaseEvent::Released { .. } => self.claim = None,
            CaseEvent::Escalated { .. } => {
                self.escalated = true;
                self.claim = None;
            }
            CaseEvent::Acknowledged { moderator_id } => {
                self.acknowledged_by.insert(*moderator_id);
            }
            CaseEvent::RemovalProposed { moderator_id, .. } => {
                self.proposed_by = Some(*moderator_id);
                self.claim = None;
            }
            CaseEvent::Labelled { labels, .. } => self.labels.clone_from(labels),
            CaseEvent::Appealed {} => self.appeal = Some(Appeal::Pending),
            CaseEvent::AppealResolved { .. } => {
                self.appeal = Some(Appeal::Resolved);
                self.decided_by = Some(DecidedBy::Person);
            }
            // Opened and TakenBack are taken before; the others are for people, and no decision depends on them.
            CaseEvent::Opened { .. }
            | CaseEvent::TakenBack { .. }
            | CaseEvent::Reported { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::AppealWritten { .. }
            | CaseEvent::AppealAnswered { .. } => (),
        }
    }

    fn decided(&mut self, decision: Decision, decided_by: &Decider) {
        self.state = state_after(decision);
        self.claim = None;
        self.escalated = false;
        self.decided_by = Some(match decided_by {
            Decider::Moderator { .. } => DecidedBy::Person,
            Decider::Policy { version, .. } => DecidedBy::Policy(version.clone()),
        });
        let proposed_by = self.proposed_by.take();
        match decision {
            Decision::Delete => {
                let decider = match decided_by {
                    Decider::Moderator { user_id } => Some(*user_id),
                    Decider::Policy { .. } => None,
                };
                self.removed_by = decider.into_iter().chain(proposed_by).collect();
                self.appeal = None;
            }
            Decision::Dismiss | Decision::Restore => (),
        }
    }
}

impl Case {
    /// Opens the case, once. With `removal`, the policy decides at once that the content goes; it says whether people can see
    /// it now. A case that reports opened before the analyser spoke is decided then, too, unless a person was faster.
    pub fn open(&self, opening: Opening, removal: Option<Visibility>) -> Vec<CaseEvent> {
        let is_known = match self {
            Self::New => false,
            Self::Open(Open { by_reports: true, state: CaseState::Opened, .. })
                if removal.is_some() && opening.analyser != REPORTS =>
            {
                true
            }
            Self::Open(_) => return vec![],
        };
        let Opening {
            subject,
            subject_version,
            author_id,
            reasons,
            analyser,
            analysis,
            cluster_id,
            labels,
            batch_id,
        } = opening;
        let labelled = (!labels.is_empty() && !is_known).then_some(CaseEvent::Labelled {
            subject,
            author_id,
            labels,
        });
        let decided = CaseEvent::Decided {
            subject,
            author_id,
            decision: Decision::Delete,
            reasons: reasons.clone(),
            decided_by: Decider::Policy { version: analyser.clone(), batch_id },
        };
        let opened = (!is_known).then_some(CaseEvent::Opened {
            subject,
            subject_version,
            author_id,
            reasons,
            analyser,
            analysis,
            cluster_id,
            batch_id,
        });
        let confirmed = matches!(removal, Some(Visibility::Hidden | Visibility::Gone))
            .then_some(CaseEvent::DeleteConfirmed {});
        let decided = removal.map(|_| decided);
        [opened, labelled, decided, confirmed].into_iter().flatten().collect()
    }

    /// Decides the case, or decides it anew. Repeating the decision that stands records nothing. `reasons` are those of the
    /// case unless the decider has others.
    ///
    /// What its service has hidden or shown already, perhaps because of another case, will not be hidden or shown again: such
    /// a decision is confirmed at once.
    ///
    /// # Errors
    ///
    /// [`CaseError`] says why the decision does not follow from where the case stands.
    pub fn decide(
        &self,
        decision: Decision,
        reasons: Option<Vec<ModerationReason>>,
        decided_by: Decider,
        visibility: Visibility,
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let Self::Open(case) = self else { return Err(CaseError::NotFound) };
        if !changes(case.state, decision, visibility)? {
            return Ok(vec![]);
        }
        let decided = CaseEvent::Decided {
            subject: case.subject,
            author_id: case.author_id,
            decision,
            reasons: reasons.unwrap_or_else(|| case.reasons.clone()),
            decided_by,
        };
        let confirmed = match (decision, case.state, visibility) {
            (Decision::Delete, _, Visibility::Hidden | Visibility::Gone) => {
                Some(CaseEvent::DeleteConfirmed {})
            }
            // While a deletion is under way, what is visible now will be hidden first and shown again then.
            (Decision::Restore, CaseState::DeleteConfirmed, Visibility::Visible) => {
                Some(CaseEvent::RestoreConfirmed {})
            }
            (Decision::Delete | Decision::Dismiss | Decision::Restore, _, _) => None,
        };
        Ok([Some(decided), confirmed].into_iter().flatten().collect())
    }

    /// The content is hidden or gone. A batch that was being undone is undone now.
    pub fn confirm_delete(&self) -> Vec<CaseEvent> {
        self.confirm(CaseState::DeleteRequested, CaseEvent::DeleteConfirmed {})
    }

    /// The content is back. A batch that was being undone is undone now.
    pub fn confirm_restore(&self) -> Vec<CaseEvent> {
        self.confirm(CaseState::RestoreRequested, CaseEvent::RestoreConfirmed {})
    }

    fn confirm(&self, requested: CaseState, confirmed: CaseEvent) -> Vec<CaseEvent> {
        match self {
            Self::Open(case) if case.state == requested => {
                std::iter::once(confirmed).chain(case.undone()).collect()
            }
            Self::Open(_) | Self::New => vec![],
        }
    }
}

/// Whether a decision changes anything about a case in some state.
fn changes(
    state: CaseState,
    decision: Decision,
    visibility: Visibility,
) -> Result<bool, CaseError> {
    use CaseState::{
        DeleteConfirmed, DeleteRequested, Dismissed, Opened, RestoreConfirmed, RestoreRequested,
    };
    match (decision, state) {
        (Decision::Delete, Opened | Dismissed | RestoreConfirmed) | (Decision::Dismiss, Opened) => {
            Ok(true)
        }
        (Decision::Delete, DeleteRequested | DeleteConfirmed)
        | (Decision::Dismiss, Dismissed)
        | (Decision::Restore, RestoreRequested | RestoreConfirmed) => Ok(false),
        // What is gone is never confirmed to be back.
        (Decision::Delete, RestoreRequested) => match visibility {
            Visibility::Gone => Ok(true),
            Visibility::Visible | Visibility::Hidden => Err(CaseError::RestorePending),
        },
        (
            Decision::Dismiss,
            DeleteRequested | DeleteConfirmed | RestoreRequested | RestoreConfirmed,
        ) => Err(CaseError::NothingToDismiss),
        (Decision::Restore, Opened | Dismissed) => Err(CaseError::NothingToRestore),
        (Decision::Restore, DeleteRequested | DeleteConfirmed) => match visibility {
            Visibility::Gone => Err(CaseError::ContentGone),
            Visibility::Visible | Visibility::Hidden => Ok(true),
        },
    }
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
