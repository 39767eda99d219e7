//! Removals become strikes.

use std::{convert::Infallible, time::Duration};

use async_trait::async_trait;
use event_runtime::{ApplyError, Expected, Reactor, RecordedEvent, Streams, UnitOfWork};
use service_kit::UNHURRIED;
use shared_schemas::{
    CaseId, Event, SanctionId, Service, UserId,
    moderation::{AppealOutcome, CaseEvent, Decision, ModerationReason},
};

use super::{
    aggregate::Standing,
    ladder::{Ladder, Removal},
};
use crate::case::view;

/// Adds a strike when a removal was carried out, with what the ladder says to so many, and takes both back when the removal is. Whoever speaks of hurting themselves
/// needs help and gets no strike.
pub struct Strikes {
    /// The people.
    pub standings: Streams<Standing>,
    /// What strikes lead to.
    pub ladder: Ladder,
}

#[async_trait]
impl Reactor for Strikes {
    fn group(&self) -> &'static str {
        "moderation.strike"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[CaseEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(case) = event.open::<CaseEvent>()? else { return Ok(()) };
        let (case_id, metadata) = (CaseId(case.aggregate_id), case.consequence());
        let now = self.standings.store().clock().now();
        let withdrawn_from = match &case.event {
            CaseEvent::Decided { decision: Decision::Restore, author_id, .. }
            | CaseEvent::AppealResolved { outcome: AppealOutcome::Overturned, author_id, .. } => {
                Some(*author_id)
            }
            CaseEvent::DeleteConfirmed {} => None,
            CaseEvent::Opened { .. }
            | CaseEvent::Decided { .. }
            | CaseEvent::RestoreConfirmed {}
            | CaseEvent::Reported { .. }
            | CaseEvent::EvidenceKept { .. }
            | CaseEvent::Claimed { .. }
            | CaseEvent::Released { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::Escalated { .. }
            | CaseEvent::Acknowledged { .. }
            | CaseEvent::RemovalProposed { .. }
            | CaseEvent::Labelled { .. }
            | CaseEvent::Appealed {}
            | CaseEvent::AppealWritten { .. }
            | CaseEvent::AppealResolved { .. }
            | CaseEvent::AppealAnswered { .. }
            | CaseEvent::TakenBack { .. } => return Ok(()),
        };
        if let Some(author_id) = withdrawn_from {
            self.standings
                .execute_in(work, author_id, Expected::Any, &metadata, |standing| {
                    Ok::<_, Infallible>(standing.withdraw(case_id, now))
                })
                .await?;
            return Ok(());
        }
        // The row moves with the events, so it knows the case at least as far as this event does.
        let Some(row) = view::find(work.txn(), case_id).await? else { return Ok(()) };
        let reasons: Vec<ModerationReason> = serde_json::from_value(row.reasons)
            .map_err(|error| ApplyError::reject("undecodable", error))?;
        if reasons.iter().all(|reason| *reason == ModerationReason::SelfHarm) {
            return Ok(());
        }
        // From the decision on, so that a removal that is put back after a batch was undone counts no longer than before.
        let at = row.removed_at.unwrap_or(case.occurred_at);
        let removal = Removal { case_id, at, reasons, sanction_id: SanctionId::new(now), now };
        self.standings
            .execute_in(work, UserId(row.author_id), Expected::Any, &metadata, |standing| {
                Ok::<_, Infallible>(standing.strike(&removal, &self.ladder))
            })
            .await?;
        Ok(())
    }
}
