//! Clearances and cases become the labels of content.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Projection, Recorded, RecordedEvent};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::json;
use shared_schemas::{
    Event, Service,
    clearance::ClearanceEvent,
    moderation::{CaseEvent, Subject},
};
use uuid::Uuid;

use super::Labels;
use crate::UNHURRIED;

/// Keeps the labels of the content of one service, by who said them: a clearance, or a case.
///
/// Ordered within one clearance and within one case, whose later word replaces the earlier one; commutative among them, since each
/// has a row of its own. Which of the rows counts is decided where they are read, by the version of the text that is shown.
pub struct LabelProjection {
    /// The consumer group.
    pub group: &'static str,
    /// The id of content that this service has; `None` for content of another kind.
    pub subject_id: fn(Subject) -> Option<Uuid>,
}

#[async_trait]
impl Projection for LabelProjection {
    fn group(&self) -> &'static str {
        self.group
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Moderation]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[ClearanceEvent::CATEGORY, CaseEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    fn tables(&self) -> &'static [&'static str] {
        &["content_label"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        event: &RecordedEvent,
    ) -> Result<(), ApplyError> {
        if let Some(clearance) = event.open::<ClearanceEvent>()? {
            self.clear(txn, &clearance).await?;
        } else if let Some(case) = event.open::<CaseEvent>()? {
            self.follow(txn, &case).await?;
        }
        Ok(())
    }
}

impl LabelProjection {
    async fn clear(
        &self,
        txn: &DatabaseTransaction,
        clearance: &Recorded<ClearanceEvent>,
    ) -> Result<(), DbErr> {
        let id = clearance.aggregate_id;
        let ClearanceEvent::Granted { subject, subject_version, labels, .. } = &clearance.event;
        let Some(subject_id) = (self.subject_id)(*subject) else { return Ok(()) };
        let labels = Labels::new(labels);
        // Hardly any content has labels, and no row says as much as an empty list.
        let version = version(*subject_version);
        if labels.is_empty() {
            txn.execute_raw(raw_sql!(
                Postgres,
                "DELETE FROM content_label WHERE said_by = {id} AND subject_version <= {version}"
            ))
            .await?;
            return Ok(());
        }
        let labels = json!(labels);
        txn.execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO content_label (said_by, is_case, subject_id, subject_version, labels)
               VALUES ({id}, false, {subject_id}, {version}, {labels})
               ON CONFLICT ON CONSTRAINT content_label_pkey
                 DO UPDATE SET subject_version = EXCLUDED.subject_version, labels = EXCLUDED.labels
                   WHERE content_label.subject_version <= EXCLUDED.subject_version"
        ))
        .await?;
        Ok(())
    }

    async fn follow(
        &self,
        txn: &DatabaseTransaction,
        case: &Recorded<CaseEvent>,
    ) -> Result<(), DbErr> {
        let id = case.aggregate_id;
        match &case.event {
            // It alone says which version the case is about; of labels it says nothing yet.
            CaseEvent::Opened { subject, subject_version, .. } => {
                let Some(subject_id) = (self.subject_id)(*subject) else { return Ok(()) };
                let version = version(*subject_version);
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO content_label (said_by, is_case, subject_id, subject_version)
                       VALUES ({id}, true, {subject_id}, {version})
                       ON CONFLICT ON CONSTRAINT content_label_pkey DO NOTHING"
                ))
                .await?;
                Ok(())
            }
            CaseEvent::Labelled { labels, .. } => {
                let labels = json!(Labels::new(labels));
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE content_label SET labels = {labels} WHERE said_by = {id}"
                ))
                .await?;
                Ok(())
            }
            // A batch had opened it, and there is no such case any more.
            CaseEvent::TakenBack { state: None, .. } => {
                let forgotten =
                    raw_sql!(Postgres, "DELETE FROM content_label WHERE said_by = {id}");
                txn.execute_raw(forgotten).await?;
                Ok(())
            }
            // A case that stands as before has the labels of before: a batch changes none, and none that people changed is undone.
            CaseEvent::TakenBack { state: Some(_), .. }
            | CaseEvent::Decided { .. }
            | CaseEvent::DeleteConfirmed {}
            | CaseEvent::RestoreConfirmed {}
            | CaseEvent::Reported { .. }
            | CaseEvent::EvidenceKept { .. }
            | CaseEvent::Claimed { .. }
            | CaseEvent::Released { .. }
            | CaseEvent::Noted { .. }
            | CaseEvent::Escalated { .. }
            | CaseEvent::Acknowledged { .. }
            | CaseEvent::RemovalProposed { .. }
            | CaseEvent::Appealed {}
            | CaseEvent::AppealWritten { .. }
            | CaseEvent::AppealResolved { .. }
            | CaseEvent::AppealAnswered { .. } => Ok(()),
        }
    }
}

fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
