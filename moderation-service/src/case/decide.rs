//! Deciding a case in one transaction: what its content's service has said, what other cases wait for, and the case itself.

use event_runtime::{Expected, Streams, UnitOfWork};
use sea_orm::ConnectionTrait;
use service_kit::{Caller, Problem};
use shared_schemas::{
    CaseId,
    moderation::{AppealOutcome, CaseState, Decision, Subject},
    user::Role,
};

use super::{
    aggregate::{Case, CaseError, Visibility},
    appeal::Answer,
    body::Decide,
    review::{Reviewer, Ruling},
    view::{self, CaseRow},
};
use crate::{confirm, reach};

/// Decides cases for people. Cheap to clone.
#[derive(Clone)]
pub struct Decisions {
    /// The cases.
    pub cases: Streams<Case>,
    /// From which reach on a removal takes two moderators.
    pub two_reviewers_from: i64,
}

impl Decisions {
    /// Who acts, and when.
    pub fn reviewer(&self, caller: &Caller) -> Reviewer {
        Reviewer {
            moderator_id: caller.user_id(),
            is_admin: caller.has(Role::Admin),
            now: self.cases.store().clock().now(),
        }
    }

    /// Decides a case as a moderator.
    ///
    /// # Errors
    ///
    /// 404 without such a case, 409 if the decision does not follow from where the case stands, 412 if it is not at the
    /// expected version, 403 where an administrator decides.
    pub async fn decide(
        &self,
        caller: &Caller,
        id: CaseId,
        expected: Expected,
        decide: Decide,
    ) -> Result<CaseRow, Problem> {
        let Decide { decision, reasons, note } = decide;
        let work = self.cases.store().begin().await?;
        let subject = find(work.txn(), id).await?.subject();
        let visibility = confirm::projection::lock(work.txn(), subject).await?;
        let opposed = opposed(work.txn(), subject, id, decision, visibility).await?;
        let takes_two = reach::view::reach(work.txn(), subject).await? >= self.two_reviewers_from;
        let by = self.reviewer(caller);
        let ruling = Ruling { by, decision, reasons, note, visibility, takes_two };
        self.cases
            .execute_in(&work, id, expected, &caller.metadata(), |case| {
                let events = case.rule(&ruling)?;
                opposed.filter(|_| !events.is_empty()).map_or(Ok(events), Err)
            })
            .await?;
        committed(work, id).await
    }

    /// Answers an appeal as a moderator.
    ///
    /// # Errors
    ///
    /// As [`decide`](Self::decide), and 403 for whoever took the decision.
    pub async fn answer(
        &self,
        caller: &Caller,
        id: CaseId,
        outcome: AppealOutcome,
        text: String,
    ) -> Result<CaseRow, Problem> {
        let work = self.cases.store().begin().await?;
        let subject = find(work.txn(), id).await?.subject();
        let visibility = confirm::projection::lock(work.txn(), subject).await?;
        let opposed = match outcome {
            AppealOutcome::Upheld => None,
            AppealOutcome::Overturned => {
                opposed(work.txn(), subject, id, Decision::Restore, visibility).await?
            }
        };
        let answer = Answer { by: self.reviewer(caller), outcome, text, visibility };
        self.cases
            .execute_in(&work, id, Expected::Any, &caller.metadata(), |case| {
                let events = case.answer(&answer)?;
                opposed.map_or(Ok(events), Err)
            })
            .await?;
        committed(work, id).await
    }
}

async fn committed(work: UnitOfWork, id: CaseId) -> Result<CaseRow, Problem> {
    let row = find(work.txn(), id).await?;
    work.commit().await?;
    Ok(row)
}

/// A case that must be there.
///
/// # Errors
///
/// 404 if it is not.
pub async fn find(connection: &impl ConnectionTrait, id: CaseId) -> Result<CaseRow, Problem> {
    view::find(connection, id).await?.ok_or_else(|| CaseError::NotFound.into())
}

/// Whether another case about the same content waits for the opposite. Decisions of one case are carried out in order, those
/// of two in any: only one of the two would hold, and nobody could say which.
async fn opposed(
    connection: &impl ConnectionTrait,
    subject: Subject,
    id: CaseId,
    decision: Decision,
    visibility: Visibility,
) -> Result<Option<CaseError>, Problem> {
    let (waits_for, error) = match (decision, visibility) {
        // What is gone is neither hidden nor restored any more.
        (Decision::Dismiss, _) | (_, Visibility::Gone) => return Ok(None),
        (Decision::Delete, Visibility::Visible | Visibility::Hidden) => {
            (CaseState::RestoreRequested, CaseError::RestorePending)
        }
        (Decision::Restore, Visibility::Visible | Visibility::Hidden) => {
            (CaseState::DeleteRequested, CaseError::DeletePending)
        }
    };
    let waiting = view::waiting(connection, subject, waits_for).await?;
    Ok(waiting.iter().any(|other| *other != id).then_some(error))
}
