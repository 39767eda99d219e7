//! What moderators do with a case: claim it, write about it, hand it on, decide it.

pub mod api;
pub mod body;
pub mod bulk;
pub mod labels;
pub mod live;
pub mod projection;
pub mod view;

use chrono::{DateTime, TimeDelta, Utc};
use shared_schemas::{
    UserId,
    moderation::{AppealOutcome, CaseEvent, ContentLabel, Decider, Decision, ModerationReason},
};

use super::aggregate::{Appeal, Case, CaseError, Open, Visibility};

/// How long a claim lasts unless it is renewed.
pub const CLAIM: TimeDelta = TimeDelta::minutes(15);

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub struct Reviewer {
    /// Who.
    pub moderator_id: UserId,
    /// Whether it is an administrator.
    pub is_admin: bool,
    /// When.
    pub now: DateTime<Utc>,
}

/// A decision as a moderator takes it.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Who decides.
    pub by: Reviewer,
    /// What is to happen.
    pub decision: Decision,
    /// Why, worst first; the case's own reasons if absent.
    pub reasons: Option<Vec<ModerationReason>>,
    /// For colleagues.
    pub note: Option<String>,
    /// Whether people can see the content.
    pub visibility: Visibility,
    /// Whether so many people saw the content that a second moderator has to agree to a removal.
    pub takes_two: bool,
}

impl Case {
    /// A case that exists.
    ///
    /// # Errors
    ///
    /// [`CaseError::NotFound`].
    pub(super) fn existing(&self) -> Result<&Open, CaseError> {
        match self {
            Self::Open(case) => Ok(case),
            Self::New => Err(CaseError::NotFound),
        }
    }

    /// One more person reported the content; what it says is kept with the first report.
    pub fn report(
        &self,
        category: ModerationReason,
        text: &str,
        text_sha256: &str,
    ) -> Vec<CaseEvent> {
        let kept = matches!(self, Self::Open(case) if case.has_evidence);
        let evidence = (!kept).then(|| CaseEvent::EvidenceKept {
            text: text.to_owned(),
            text_sha256: text_sha256.to_owned(),
        });
        evidence.into_iter().chain([CaseEvent::Reported { category }]).collect()
    }

    /// Claims the case, or renews the claim.
    ///
    /// # Errors
    ///
    /// [`CaseError::Claimed`] while another moderator has it.
    pub fn claim(&self, by: Reviewer) -> Result<Vec<CaseEvent>, CaseError> {
        self.existing()?.be_free_for(by)?;
        Ok(vec![CaseEvent::Claimed { moderator_id: by.moderator_id, until: by.now + CLAIM }])
    }

    /// Gives a claim back. One that has ended, or was never taken, needs no giving back.
    ///
    /// # Errors
    ///
    /// [`CaseError::Claimed`] while another moderator has it.
    pub fn release(&self, by: Reviewer) -> Result<Vec<CaseEvent>, CaseError> {
        let case = self.existing()?;
        case.be_free_for(by)?;
        Ok(match case.claim {
            Some(claim) if claim.moderator_id == by.moderator_id => {
                vec![CaseEvent::Released { moderator_id: by.moderator_id }]
            }
            Some(_) | None => vec![],
        })
    }

    /// Writes something down for colleagues.
    ///
    /// # Errors
    ///
    /// [`CaseError::NotFound`].
    pub fn note(&self, by: Reviewer, note: &str) -> Result<Vec<CaseEvent>, CaseError> {
        self.existing()?;
        Ok(vec![noted(by, note)])
    }

    /// Asks administrators to decide. Asking twice records nothing.
    ///
    /// # Errors
    ///
    /// [`CaseError::Claimed`] while another moderator has it.
    pub fn escalate(&self, by: Reviewer, note: Option<&str>) -> Result<Vec<CaseEvent>, CaseError> {
        let case = self.existing()?;
        case.be_free_for(by)?;
        if case.escalated {
            return Ok(vec![]);
        }
        let escalated = CaseEvent::Escalated { moderator_id: by.moderator_id };
        Ok(std::iter::once(escalated).chain(note.map(|note| noted(by, note))).collect())
    }

    /// Has seen the case and leaves it open. Once per moderator.
    ///
    /// # Errors
    ///
    /// [`CaseError::NotFound`].
    pub fn acknowledge(&self, by: Reviewer) -> Result<Vec<CaseEvent>, CaseError> {
        let is_known = self.existing()?.acknowledged_by.contains(&by.moderator_id);
        let event = CaseEvent::Acknowledged { moderator_id: by.moderator_id };
        Ok(if is_known { vec![] } else { vec![event] })
    }

    /// Puts these labels on the content and takes all others off.
    ///
    /// # Errors
    ///
    /// [`CaseError::Claimed`] while another moderator has it.
    pub fn label(
        &self,
        by: Reviewer,
        labels: &[ContentLabel],
    ) -> Result<Vec<CaseEvent>, CaseError> {
        let case = self.existing()?;
        case.be_free_for(by)?;
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        labels.dedup();
        if labels == case.labels {
            return Ok(vec![]);
        }
        let Open { subject, author_id, .. } = *case;
        Ok(vec![CaseEvent::Labelled { subject, author_id, labels }])
    }

    /// Decides the case as a moderator: see [`Case::decide`]. A removal of what many have seen is a proposal until a second
    /// moderator agrees. A restoration answers the appeal that waits.
    ///
    /// # Errors
    ///
    /// As [`Case::decide`]; [`CaseError::Claimed`] and [`CaseError::Escalated`] where somebody else decides.
    pub fn rule(&self, ruling: &Ruling) -> Result<Vec<CaseEvent>, CaseError> {
        let Ruling { by, decision, visibility, .. } = *ruling;
        let case = self.existing()?;
        case.be_free_for(by)?;
        let decided_by = Decider::Moderator { user_id: by.moderator_id };
        let mut events = self.decide(decision, ruling.reasons.clone(), decided_by, visibility)?;
        if events.is_empty() {
            return Ok(events);
        }
        if case.escalated && !by.is_admin {
            return Err(CaseError::Escalated);
        }
        if decision == Decision::Delete && ruling.takes_two {
            match case.proposed_by {
                Some(first) if first == by.moderator_id => return Ok(vec![]),
                Some(_) => (),
                None => {
                    let reasons = ruling.reasons.clone().unwrap_or_else(|| case.reasons.clone());
                    events =
                        vec![CaseEvent::RemovalProposed { moderator_id: by.moderator_id, reasons }];
                }
            }
        }
        if decision == Decision::Restore && case.appeal == Some(Appeal::Pending) {
            events.push(case.resolved(by, AppealOutcome::Overturned));
        }
        events.extend(ruling.note.as_deref().map(|note| noted(by, note)));
        Ok(events)
    }
}

impl Open {
    /// Refuses while another moderator's claim lasts.
    pub(super) fn be_free_for(&self, by: Reviewer) -> Result<(), CaseError> {
        match self.claim {
            Some(claim) if claim.moderator_id != by.moderator_id && claim.until > by.now => {
                Err(CaseError::Claimed { until: claim.until })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The answer to an appeal.
    pub(super) fn resolved(&self, by: Reviewer, outcome: AppealOutcome) -> CaseEvent {
        CaseEvent::AppealResolved {
            subject: self.subject,
            author_id: self.author_id,
            outcome,
            moderator_id: by.moderator_id,
        }
    }
}

fn noted(by: Reviewer, note: &str) -> CaseEvent {
    CaseEvent::Noted { moderator_id: by.moderator_id, note: note.to_owned() }
}

#[cfg(test)]
mod tests;
